import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { bundle } from '../bundle'
import type { Figure } from '../figure'
import { medians, type Rounds } from '../rounds'
import { compare } from '../side'
import { withVersion } from '../versions'
import { type Fixture, fixtures } from './fixtures'
import type { Growth } from './growth.child'
import { eventsourceParser, floors, type Parser, peers, tidings } from './parsers'
import type { Task } from './side.child'
import { undici } from './undici'

const run = promisify(execFile)

const CLOSE = { pairs: 5, rounds: 15, warmUp: 20, least: 15 }
// For what no goal hangs on, and for the quick mode, which fails at half a goal only.
const BRIEF = { pairs: 1, rounds: 5, warmUp: 3, least: 30 }

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
  const child = await bundle(new URL('side.child.ts', import.meta.url))
  for (const fixture of chosen) {
    for (const rival of rivals) {
      const rounds = rival === eventsourceParser && !quick ? CLOSE : BRIEF
      const figure = await row(fixture, rival, rounds, node, child)
      if (rival === eventsourceParser) figure.goal = goal(fixture.key, major)
      figures.push(figure)
    }
  }
  if (grow) figures.push(...(await growth(quick, node)))
  return figures
}

async function row(
  full: Fixture,
  rival: Parser,
  { pairs, ...rounds }: Rounds & { pairs: number },
  node: string,
  path: string,
): Promise<Figure> {
  const floor = floors.includes(rival)
  const against = withVersion(rival.name)
  const short = rival.quadratic === true
  const fixture = (short && full.short) || full
  const side = ({ name }: Parser) => {
    const task: Task = { parser: name, fixture: full.key, short }
    return { node, path, task }
  }
  const result = await compare(side(tidings), side(rival), rounds, pairs)
  const { ratio, a, b } = medians(result?.costs ?? [])
  const bytes = fixture.chunks().reduce((sum, chunk) => sum + chunk.length, 0)
  const rate = (milliseconds: number) => `${(bytes / 1000 / milliseconds).toFixed(0)} MB/s`
  const wrong = result ? result.wrong : `${against}: took too long`
  return {
    suite: 'parse',
    measure: fixture.name,
    subject: tidings.name,
    against,
    ratio: floor ? 1 / ratio : ratio,
    reads: floor ? 'times the cost' : 'times as fast',
    absolute: { subject: rate(a), against: rate(b) },
    ...(wrong === undefined ? {} : { wrong }),
  }
}

async function growth(quick: boolean, node: string): Promise<Figure[]> {
  const child = await bundle(new URL('growth.child.ts', import.meta.url))
  const rounds = { rounds: quick ? 5 : 9, warmUp: 1, least: 120 }
  const { stdout } = await run(node, ['--expose-gc', child, JSON.stringify(rounds)])
  const result: Growth = JSON.parse(stdout)
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
