import { bundle } from '../bundle'
import type { Figure } from '../figure'
import { medians, repeat } from '../rounds'
import { withVersion } from '../versions'
import type { Job, LengthJob, Measured, Outcome, Pair, PairJob, TicksJob } from './client.child'
import { EVENTS_PER_BLOCK, type EventSize } from './fixture'
import { majorOf, runClient, startServer } from './process'
import type { Shape } from './server.child'
import type { SubjectName } from './subjects'

export interface StreamOptions {
  /** Fewer and shorter rounds; without `only`, a few rows that have a goal. */
  quick: boolean
  /** The Node that the clients run on. */
  node: string
  /** Only the rows with all of these words in `measure / subject / against`. Default: every row. */
  only?: readonly string[]
}

interface Row {
  subject: SubjectName
  against: SubjectName
  goal?: number
}

interface Case extends Row {
  measure: string
  job: PairJob | LengthJob | TicksJob
}

/** Nanoseconds that an event may take longer than through the floor. */
const MOST_ADDED = 10_000
/** A heap that does not grow with the stream, but for what the engine keeps. */
const FLAT = 1.05

/** End to end, from a server process to a client process. */
export async function suite({ quick, node, only = [] }: StreamOptions): Promise<Figure[]> {
  const client = await bundle(new URL('client.child.ts', import.meta.url))
  const server = await startServer(await bundle(new URL('server.child.ts', import.meta.url)))
  const newer = (await majorOf(node)) >= 24
  const found: Figure[] = []
  try {
    for (const row of rows(quick, quick && only.length === 0, newer)) {
      const { measure, subject, against } = row
      const words = `${measure} / ${subject} / ${against}`
      if (!only.every((word) => words.includes(word))) continue
      const job: Job = { ...row.job, origin: server.origin, subject, against }
      const run = <What>() => runClient<Outcome<What>>(node, client, job)
      if (row.job.task === 'pair') {
        const processes = quick ? 1 : 3
        found.push(pairFigure(row, row.job.blocks, await repeat(processes, () => run<Pair>())))
      } else found.push(...figures(row, await run<Measured>()))
    }
  } finally {
    server.stop()
  }
  return found
}

/** @param brief - a few that have a goal */
function rows(quick: boolean, brief: boolean, newer: boolean): Case[] {
  const bursts: Row[] = [
    { subject: 'batches()', against: 'reader floor', goal: 1.3 },
    { subject: 'batches()', against: 'decoding floor' },
    { subject: 'for await', against: 'reader floor', goal: 1.7 },
    { subject: 'EventSource, nobody listening', against: 'reader floor' },
    { subject: 'for await', against: '@microsoft/fetch-event-source', goal: newer ? 2.2 : 2 },
    { subject: 'fetchEventSource', against: '@microsoft/fetch-event-source', goal: 3 },
    { subject: 'EventSource', against: 'eventsource', goal: newer ? 4 : 1.9 },
    { subject: 'EventSource', against: 'undici' },
    { subject: 'for await', against: 'eventsource-client' },
    { subject: 'for await', against: 'parse-sse' },
    { subject: 'for await', against: '@azure/core-sse' },
  ]
  const singles: Row[] = [
    { subject: 'batches()', against: 'reader floor', goal: 1.2 },
    { subject: 'for await', against: 'reader floor', goal: 1.2 },
    { subject: 'fetchEventSource', against: 'reader floor' },
    { subject: 'EventSource', against: 'reader floor' },
    { subject: 'for await', against: '@microsoft/fetch-event-source' },
    { subject: 'EventSource', against: 'eventsource' },
  ]
  const rounds = quick ? { rounds: 5, warmUp: 4, least: 20 } : { rounds: 7, warmUp: 5, least: 60 }
  const pairOf = (shape: Shape, size: EventSize, blocks: number, how: string) => (row: Row) => ({
    ...row,
    measure: `${size} B events, ${how}`,
    job: { task: 'pair' as const, shape, size, blocks, rounds },
  })
  const ticks = (subject: SubjectName): Case => ({
    subject,
    against: 'reader floor',
    goal: MOST_ADDED,
    measure: 'latency of an event, p50',
    job: { task: 'ticks', rounds: quick ? 3 : 9, count: quick ? 120 : 400 },
  })
  const length = (subject: SubjectName): Case => ({
    subject,
    against: subject,
    goal: 1.1,
    measure: 'a stream ten times as long',
    job: { task: 'length', size: 40, blocks: quick ? 5 : 20, rounds },
  })
  const small = bursts.map(pairOf('burst', 40, quick ? 12 : 40, '64 KiB chunks'))
  const large = bursts.map(pairOf('burst', 200, 16, '64 KiB chunks'))
  const single = singles.map(pairOf('chunks', 40, 6, 'one HTTP chunk each'))
  if (brief) {
    // Beside the floor the larger events, whose figures are far from the line between good and bad.
    const due = [...small.filter((row) => !isFloor(row)), ...large.filter(isFloor), ...single]
    const aimed = due.filter(({ goal }) => goal !== undefined)
    return [...aimed, ticks('batches()'), length('batches()')]
  }
  return [
    ...small,
    ...large,
    ...single,
    ...singles.map(pairOf('writes', 40, 1, 'one write each')),
    ...(['batches()', 'for await', 'EventSource'] as const).map(ticks),
    ...(['batches()', 'for await'] as const).map(length),
  ]
}

function figureOf({ measure, subject, against }: Case): Figure {
  return {
    suite: 'stream',
    measure,
    subject,
    against: withVersion(against),
    ratio: Number.NaN,
    reads: isFloor({ against }) ? 'times the cost' : 'times as fast',
    absolute: { subject: '', against: '' },
  }
}

const isFloor = ({ against }: Pick<Row, 'against'>) => against.endsWith('floor')
const perEvent = (nanoseconds: number) => `${nanoseconds.toFixed(0)} ns an event`

function pairFigure(row: Case, blocks: number, outcome: Outcome<Pair>): Figure {
  const figure = figureOf(row)
  if ('wrong' in outcome) return { ...figure, wrong: outcome.wrong }
  const { ratio, a, b } = medians(outcome.costs)
  const each = 1e6 / (blocks * EVENTS_PER_BLOCK)
  return {
    ...figure,
    ratio: isFloor(row) ? 1 / ratio : ratio,
    goal: row.goal,
    absolute: { subject: perEvent(a * each), against: perEvent(b * each) },
  }
}

function figures(row: Case, outcome: Outcome): Figure[] {
  const { measure, goal, job } = row
  const figure = figureOf(row)
  if ('wrong' in outcome) return [{ ...figure, wrong: outcome.wrong }]
  const { ratio, added, heap } = outcome
  if (job.task === 'ticks') {
    const micro = (nanoseconds = 0) => `${(nanoseconds / 1000).toFixed(1)} µs`
    const more = `p50 ${micro(added?.p50)} more, p99 ${micro(added?.p99)} more`
    const absolute = {
      subject: `${micro(outcome.subject)}: ${more}`,
      against: micro(outcome.against),
    }
    return [{ ...figure, ratio, goal: 1 + MOST_ADDED / outcome.against, absolute }]
  }
  const absolute = { subject: perEvent(outcome.subject), against: perEvent(outcome.against) }
  const kib = (bytes = Number.NaN) => `${(bytes / 1024).toFixed(0)} KiB of heap`
  const grown: Figure = { ...figure, against: 'the short one', reads: 'times the cost' }
  return [
    { ...grown, ratio, goal, absolute },
    {
      ...grown,
      measure: `heap at the end of ${measure}`,
      ratio: heap ? heap.long / heap.short : Number.NaN,
      goal: FLAT,
      absolute: { subject: kib(heap?.long), against: kib(heap?.short) },
    },
  ]
}
