import fc from 'fast-check'
import { headers } from './headers'
import { parser } from './parser'
import { session } from './session'

interface Property<T> {
  readonly name: string
  readonly arbitrary: fc.Arbitrary<T>
  check(value: T): Promise<void>
  /** What to paste where such cases are kept. */
  report(value: T): string
}

export interface Failure {
  readonly name: string
  /** Of the run of fast-check that failed. */
  readonly seed: number
  readonly message: string
  readonly report: string
}

export interface Fuzzed {
  readonly failures: readonly Failure[]
  /** The cases tried, by property. */
  readonly runs: Readonly<Record<string, number>>
}

/** Cases a go: small, so that the time is kept. */
const GO = 50

/** Tries cases of every property in turn until the time is over or one has failed. */
export async function fuzz(seconds: number, seed: number): Promise<Fuzzed> {
  const properties = [runner(parser), runner(headers), runner(session)]
  const runs: Record<string, number> = {}
  const failures: Failure[] = []
  const end = Date.now() + seconds * 1000
  for (let go = 0; failures.length === 0 && (go === 0 || Date.now() < end); go++) {
    for (const [name, run] of properties) {
      const failure = await run(seed + go)
      if (failure) failures.push(failure)
      runs[name] = (runs[name] ?? 0) + GO
    }
  }
  return { failures, runs }
}

function runner<T>({ name, arbitrary, check, report }: Property<T>) {
  const run = async (seed: number): Promise<Failure | undefined> => {
    const result = await fc.check(fc.asyncProperty(arbitrary, check), { seed, numRuns: GO })
    if (!result.failed) return undefined
    const [value] = result.counterexample ?? []
    const message = `${(result.errorInstance as Error | undefined)?.message}`
    return { name, seed, message, report: report(value as T) }
  }
  return [name, run] as const
}
