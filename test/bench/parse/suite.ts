import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { bundle } from '../bundle'
import type { Figure } from '../figure'
import { medians, type Rounds, repeat } from '../rounds'
import { withVersion } from '../versions'
import type { Result, Task } from './compare.child'
import { type Fixture, fixtures } from './fixtures'
import type { Growth } from './growth.child'
import { eventsourceParser, floors, type Parser, peers, tidings } from './parsers'
import { undici } from './undici'

const run = promisify(execFile)

// Milliseconds of wall clock that one fixture and one rival may take.
const TIME_LIMIT = 60_000

const CLOSE = { processes: 3, rounds: 11, warmUp: 8, least: 30 }
// For what no goal hangs on, and for the quick mode, which fails at half a goal only.
const BRIEF = { processes: 1, rounds: 5, warmUp: 3, least: 30 }

const NO_LOSS = 1

/** At least so many times as fast as eventsource-parser, from this Node version on. */
const GOALS: { from: number; goals: Record<string, number> }[] = [
  {
    from: 24,
    goals: { llm: 1.4, '40b': 1.3, '200b': 1.3, named: 1.35, crlf: 1.25, tiny: 3 },
  },
  { from: 22, goals: { tiny: 3 } },
  {
    from: 0,
    goals: { llm: 2, '40b': 2.2, '200b': 3, named: 2.2, tiny: 1.9, line16k: 2.2, line1460: 2.2 },
  },
]

function goal(fixture: string, major: number): number {
  if (fixture === 'heartbeats') return 2.2
  return GOALS.find(({ from }) => major >= from)?.goals[fixture] ?? NO_LOSS
}

export async function suite({
  quick,
  node,
  only = [],
}: {
  quick: boolean
  node: string
  /** Fixtures by the start of their key or a part of their name, `'growth'` too. Default: all. */
  only?: readonly string[]
}): Promise<Figure[]> {
  const asked = (key: string, name: string) =>
    only.length === 0 || only.some((word) => key.startsWith(word) || name.includes(word))
  const chosen = fixtures.filter(({ key, name }) => asked(key, name))
  const grow = asked('growth', 'growth')
  if (chosen.length === 0 && !grow) {
    const keys = [...fixtures.map(({ key }) => key), 'growth'].join(', ')
    throw new RangeError(`Expected some of ${keys}, got ${only.join(', ')}`)
  }
  const { stdout } = await run(node, ['-p', 'process.versions.node'])
  const major = Number.parseInt(stdout, 10)
  const rivals = quick ? [eventsourceParser] : [...peers, undici, ...floors]

  const figures: Figure[] = []
  const child = await bundle(new URL('compare.child.ts', import.meta.url))
  for (const fixture of chosen) {
    for (const rival of rivals) {
      const rounds = rival === eventsourceParser && !quick ? CLOSE : BRIEF
      const figure = await compare(fixture, rival, rounds, node, child)
      if (rival === eventsourceParser) figure.goal = goal(fixture.key, major)
      figures.push(figure)
    }
  }
  if (grow) figures.push(...(await growth(quick, node)))
  return figures
}

async function compare(
  fixture: Fixture,
  rival: Parser,
  { processes, ...rounds }: Rounds & { processes: number },
  node: string,
  child: string,
): Promise<Figure> {
  const floor = floors.includes(rival)
  const against = withVersion(rival.name)
  const figure: Figure = {
    suite: 'parse',
    measure: fixture.name,
    subject: tidings.name,
    against,
    ratio: Number.NaN,
    reads: floor ? 'times the cost' : 'times as fast',
    absolute: { subject: '', against: '' },
  }
  const task: Task = { fixture: fixture.key, rival: rival.name, rounds }
  const timedOut = `gave up after ${TIME_LIMIT / 1000} s`
  const result = await repeat(processes, () => ask<Result>(node, [child, JSON.stringify(task)]))
  if (result === undefined) return { ...figure, wrong: `${against}: ${timedOut}` }
  const { measure, bytes, wrong, costs } = result
  const { ratio, a, b } = medians(costs)
  const how =
    wrong[tidings.name] === undefined
      ? wrong[rival.name] && `${against}: ${wrong[rival.name]}`
      : `${tidings.name}: ${wrong[tidings.name]}`
  return {
    ...figure,
    measure,
    ratio: floor ? 1 / ratio : ratio,
    absolute: { subject: rate(bytes, a), against: rate(bytes, b) },
    ...(how === undefined ? {} : { wrong: how }),
  }
}

async function growth(quick: boolean, node: string): Promise<Figure[]> {
  const child = await bundle(new URL('growth.child.ts', import.meta.url))
  const rounds = { rounds: quick ? 5 : 9, warmUp: 1, least: 120 }
  const result = await ask<Growth>(node, ['--expose-gc', child, JSON.stringify(rounds)])
  if (result === undefined) throw new Error(`Expected an end within ${TIME_LIMIT / 1000} s`)
  const time = (value: number) => `${value.toFixed(2)} ms per MiB`
  const size = (value: number) => `${(value / 2 ** 20).toFixed(2)} MiB in use`
  const figure = (
    measure: string,
    against: string,
    goal: number,
    { ratio, short, long }: Growth['stream'],
    unit: (value: number) => string,
  ): Figure => ({
    suite: 'parse',
    measure,
    subject: tidings.name,
    against,
    ratio,
    reads: 'times the cost',
    goal,
    absolute: { subject: unit(long), against: unit(short) },
  })
  return [
    figure('a stream of 256 MiB, per byte', 'a stream of 16 MiB', 1.1, result.stream, time),
    figure('a line of 15 MiB, per byte', 'a line of 4 MiB', 1.5, result.line, time),
    figure('memory after 256 MiB', 'after 16 MiB', 1.1, result.heap, size),
  ]
}

/** @returns what the child prints; `undefined` where it takes too long */
async function ask<T>(node: string, args: readonly string[]): Promise<T | undefined> {
  try {
    const { stdout } = await run(node, args, { timeout: TIME_LIMIT })
    return JSON.parse(stdout)
  } catch (error) {
    if ((error as { killed?: boolean }).killed) return undefined
    throw error
  }
}

function rate(bytes: number, milliseconds: number): string {
  return `${(bytes / 1000 / milliseconds).toFixed(0)} MB/s`
}
