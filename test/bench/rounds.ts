/** One unit of work, done again and again. */
export type Work = () => void | Promise<void>

/** Does so many units of work, and returns the CPU milliseconds of one. */
export type Side = (times: number) => Promise<number>

export interface Rounds {
  rounds: number
  warmUp: number
  /** Milliseconds of CPU time that a round of one side takes at least. */
  least: number
}

/** What each round of two sides cost, in CPU milliseconds of one unit of work. */
export type Costs = readonly (readonly [a: number, b: number])[]

/** Lets two sides take turns, so that what slows the machine down meets both. */
export async function takeTurns(
  a: Side,
  b: Side,
  { rounds, warmUp, least }: Rounds,
): Promise<Costs> {
  const timesA = await calibrate(a, least)
  const timesB = await calibrate(b, least)
  for (let round = 0; round < warmUp; round++) {
    await a(timesA)
    await b(timesB)
  }
  const costs: [number, number][] = []
  for (let round = 0; round < rounds; round++) {
    // They take turns at being first.
    const early = round % 2 === 0 ? await a(timesA) : undefined
    const costB = await b(timesB)
    costs.push([early ?? (await a(timesA)), costB])
  }
  return costs
}

/**
 * Measures in several processes, because a compiler's luck lasts as long as its process.
 *
 * @returns the last result with the costs of all; at once the first that has no costs, a failure
 */
export async function repeat<Result extends object | undefined>(
  processes: number,
  run: () => Promise<Result>,
): Promise<Result> {
  const costs: Costs[number][] = []
  for (let left = processes; ; left--) {
    const result = await run()
    if (!result || !('costs' in result)) return result
    costs.push(...(result.costs as Costs))
    if (left === 1) return { ...result, costs }
  }
}

/** The medians over the rounds, `ratio` being that of `b`'s cost divided by `a`'s. */
export function medians(costs: Costs): { ratio: number; a: number; b: number } {
  return {
    ratio: median(costs.map(([a, b]) => b / a)),
    a: median(costs.map(([a]) => a)),
    b: median(costs.map(([, b]) => b)),
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle) - 1] as number)) / 2
}

/** How often the work must be done for a round. It warms up meanwhile. */
async function calibrate(side: Side, least: number): Promise<number> {
  for (let times = 1; ; times *= 2) {
    const each = await side(times)
    if (each * times >= least / 4) return Math.max(1, Math.ceil(least / each))
  }
}

/**
 * A side in this process: garbage collection and compilation are included. No `gc()` before a round:
 * that shrinks V8's young generation to a size that no running application has, which costs what
 * lives for one chunk up to 7 times its due.
 */
export function here(work: Work): Side {
  return async (times) => {
    const before = process.cpuUsage()
    for (let left = times; left > 0; left--) {
      const pending = work()
      if (pending) await pending
    }
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000 / times
  }
}
