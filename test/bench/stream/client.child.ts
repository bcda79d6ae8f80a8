/** The process that is measured: does one job and prints what came of it as JSON. */
import { type Costs, here, median, medians, type Rounds, takeTurns } from '../rounds'
import type { Subject } from './faces'
import { EVENTS_PER_BLOCK, type EventSize, expected, Sum } from './fixture'
import type { Shape } from './server.child'
import { type SubjectName, subjects } from './subjects'

export interface PairJob {
  task: 'pair'
  shape: Shape
  size: EventSize
  /** The length of a stream. */
  blocks: number
  rounds: Rounds
}
export interface LengthJob {
  task: 'length'
  size: EventSize
  /** The length of the short stream. */
  blocks: number
  rounds: Rounds
}
export interface TicksJob {
  task: 'ticks'
  rounds: number
  count: number
}
export type Job = (PairJob | LengthJob | TicksJob) & {
  origin: string
  subject: SubjectName
  against: SubjectName
}

export interface Measured {
  /** Nanoseconds: of CPU an event, or of latency. */
  subject: number
  against: number
  /** The median over rounds of the subject's over the rival's. */
  ratio: number
  /** Of the latencies alone: what the subject's are more. */
  added?: { p50: number; p99: number }
  /** Of the lengths alone: bytes of heap at the end of either stream. */
  heap?: { short: number; long: number }
}
/** Of a pair: the subject's costs first, of one reading of its stream. */
export type Pair = { costs: Costs }
export type Outcome<What = Measured> = What | { wrong: string }

const job: Job = JSON.parse(process.argv[2] as string)
const subject: Subject = subjects[job.subject]
const against: Subject = subjects[job.against]

const source = (shape: Shape, size: EventSize, blocks: number) =>
  `${job.origin}/${shape}?size=${size}&blocks=${blocks}`

/** Reads one stream to its end. */
async function read(reader: Subject, shape: Shape, size: EventSize, blocks: number) {
  const count = EVENTS_PER_BLOCK * blocks
  const seen = await reader.read(source(shape, size, blocks), count, undefined)
  const due = reader.output === 'bytes' ? count * size : count
  if (seen !== due) throw new Error(`Expected ${due} of the stream, got ${seen}`)
}

/** @throws {Error} where a side does not see what was sent */
async function check(name: SubjectName, shape: Shape, size: EventSize): Promise<void> {
  const reader: Subject = subjects[name]
  if (reader.output === 'bytes') return
  const sum = new Sum()
  await reader.read(source(shape, size, 1), EVENTS_PER_BLOCK, (data, id) => sum.add(`${data}`, id))
  const told = reader.output ? (seen: Sum) => `last event ID ${seen.lastEventId}` : String
  const got = told(sum)
  const due = told(expected(size, 1))
  if (got !== due) throw new Error(`${name}: expected ${due}, got ${got}`)
}

async function pair({ shape, size, blocks, rounds }: PairJob): Promise<Pair> {
  await check(job.subject, shape, size)
  await check(job.against, shape, size)
  const costs = await takeTurns(
    here(() => read(subject, shape, size, blocks)),
    here(() => read(against, shape, size, blocks)),
    rounds,
  )
  return { costs }
}

/** The same reader on a stream and on one ten times as long, cost an event. */
async function length({ size, blocks, rounds }: LengthJob): Promise<Measured> {
  await check(job.subject, 'burst', size)
  const costs = await takeTurns(
    here(() => read(subject, 'burst', size, blocks)),
    here(() => read(subject, 'burst', size, blocks * 10)),
    rounds,
  )
  const { ratio, a, b } = medians(costs)
  const heap = { short: await heapAtTheEnd(size, blocks), long: 0 }
  heap.long = await heapAtTheEnd(size, blocks * 10)
  const each = 1e6 / (blocks * EVENTS_PER_BLOCK)
  return {
    subject: (b * each) / 10,
    against: a * each,
    ratio: ratio / 10,
    heap,
  }
}

/** While the last event is handled, so that what the stream still holds is there. */
async function heapAtTheEnd(size: EventSize, blocks: number): Promise<number> {
  let heap = 0
  let left = blocks * EVENTS_PER_BLOCK
  await subject.read(source('burst', size, blocks), left, () => {
    if (--left > 0) return
    globalThis.gc?.()
    heap = process.memoryUsage().heapUsed
  })
  return heap
}

/** Both clients at once, so that each moment of the machine meets both. */
async function ticks({ rounds, count }: TicksJob): Promise<Measured> {
  const p50 = { subject: [] as number[], against: [] as number[] }
  const p99 = { subject: [] as number[], against: [] as number[] }
  for (let round = -1; round < rounds; round++) {
    const latencies = { subject: [] as number[], against: [] as number[] }
    const listen = (side: keyof typeof latencies) => (data: string | Uint8Array) => {
      const now = process.hrtime.bigint()
      // The floor sees bytes, frame and all, and now and then two events at once.
      for (const [sent] of `${typeof data === 'string' ? data : Buffer.from(data)}`.matchAll(
        /\d+/g,
      )) {
        latencies[side].push(Number(now - BigInt(sent)))
      }
    }
    const url = `${job.origin}/ticks?count=${count}`
    await Promise.all([
      subject.read(url, count, listen('subject')),
      against.read(url, count, listen('against')),
    ])
    for (const side of ['subject', 'against'] as const) {
      const got = latencies[side].length
      if (got !== count) throw new Error(`${job[side]}: expected ${count} events, got ${got}`)
      if (round < 0) continue
      p50[side].push(median(latencies[side]))
      p99[side].push(percentile99(latencies[side]))
    }
  }
  const more = (values: typeof p50) =>
    median(values.subject.map((value, n) => value - (values.against[n] as number)))
  return {
    subject: median(p50.subject),
    against: median(p50.against),
    ratio: median(p50.subject.map((value, n) => value / (p50.against[n] as number))),
    added: { p50: more(p50), p99: more(p99) },
  }
}

function percentile99(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.99)] as number
}

const work = job.task === 'pair' ? pair(job) : job.task === 'length' ? length(job) : ticks(job)
const outcome: Outcome<Measured | Pair> = await work.catch((error) => ({
  wrong: `${error.message}`,
}))
process.stdout.write(JSON.stringify(outcome), () => process.exit())
