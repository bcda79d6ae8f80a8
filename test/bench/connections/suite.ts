import { bundle } from '../bundle'
import type { Figure } from '../figure'
import { runClient, startServer } from '../stream/process'
import { withVersion } from '../versions'
import type { Crowd, CrowdJob } from './crowd.child'
import type { Cycles, CyclesJob } from './cycles.child'
import type { SubjectName } from './subjects'

export interface ConnectionsOptions {
  /** Fewer connections and cycles, and only the first rows. */
  quick: boolean
  /** The Node that the clients run on. */
  node: string
  /** Only the rows with all of these words in `measure / subject / against`. Default: every row. */
  only?: readonly string[]
}

interface Row {
  subject: SubjectName
  against: SubjectName
  /** Connections of each side that are open at once. Default: one, which is opened and closed. */
  open?: number
}

/** Bytes of heap that a cycle may leave behind, in the long run of a process. */
const MOST_KEPT = 150
/** Open files of Node itself, and of the first few connections. */
const OTHER_FILES = 150

/**
 * Many open connections, and many opened and closed. Each side has its own, in one process: twice
 * their number of open files, which Node allows itself up to the hard limit (`ulimit -Hn`).
 */
export async function suite({ quick, node, only = [] }: ConnectionsOptions): Promise<Figure[]> {
  const crowd = await bundle(new URL('crowd.child.ts', import.meta.url))
  const cycles = await bundle(new URL('cycles.child.ts', import.meta.url))
  const hub = await startServer(await bundle(new URL('hub.child.ts', import.meta.url)))
  const found: Figure[] = []
  try {
    for (const row of rows(quick)) {
      const words = `${measureOf(row)} / ${row.subject} / ${row.against}`
      if (!only.every((word) => words.includes(word))) continue
      const { subject, against, open } = row
      const sides = { origin: hub.origin, subject, against }
      if (open) {
        expectOpenFiles(2 * open + OTHER_FILES)
        const job: CrowdJob = { ...sides, count: open, rounds: quick ? 7 : 15 }
        found.push(...crowdFigures(row, await runClient<Crowd>(node, crowd, job)))
      } else {
        const job: CyclesJob = quick
          ? { ...sides, rounds: { rounds: 5, warmUp: 3, least: 30 } }
          : { ...sides, rounds: { rounds: 11, warmUp: 5, least: 100 }, cycles: keptAfter(row) }
        found.push(...cycleFigures(row, await runClient<Cycles>(node, cycles, job)))
      }
    }
  } finally {
    hub.stop()
  }
  return found
}

function rows(quick: boolean): Row[] {
  const floor = 'reader floor'
  if (quick) {
    return [
      { subject: 'for await', against: floor, open: 1000 },
      { subject: 'for await', against: floor },
    ]
  }
  return [
    { subject: 'for await', against: floor, open: 1000 },
    { subject: 'for await', against: floor, open: 2000 },
    { subject: 'EventSource', against: floor, open: 2000 },
    { subject: 'EventSource', against: 'eventsource', open: 2000 },
    { subject: 'for await', against: floor },
    { subject: 'EventSource', against: floor },
    { subject: 'EventSource', against: 'eventsource' },
  ]
}

/** How many cycles what is kept is counted over: once for each subject. */
function keptAfter({ against }: Row): number | undefined {
  return against === 'reader floor' ? 5000 : undefined
}

function crowdFigures(row: Row, { heap, cpu }: Crowd): Figure[] {
  const figure = figureOf(row)
  const floor = row.against === 'reader floor'
  return [
    {
      ...figure,
      measure: `${figure.measure}, heap each`,
      ratio: heap.subject / heap.against,
      ...(floor && { goal: 1.05 }),
      absolute: { subject: kib(heap.subject), against: kib(heap.against) },
    },
    {
      ...figure,
      measure: `${figure.measure}, CPU of an event now and then`,
      ratio: cpu.ratio,
      ...(floor && { goal: 1.15 }),
      absolute: { subject: micro(cpu.subject), against: micro(cpu.against) },
    },
  ]
}

function cycleFigures(row: Row, { kept, cpu }: Cycles): Figure[] {
  const figure = figureOf(row)
  const time: Figure = {
    ...figure,
    ratio: cpu.ratio,
    ...(row.against === 'reader floor' && { goal: 1 }),
    absolute: { subject: micro(cpu.subject), against: micro(cpu.against) },
  }
  if (kept === undefined) return [time]
  const heap: Figure = {
    ...figure,
    measure: `${figure.measure}, heap kept`,
    against: 'the most allowed',
    ratio: kept / MOST_KEPT,
    goal: 1,
    absolute: { subject: `${kept.toFixed(0)} B a cycle`, against: `${MOST_KEPT} B a cycle` },
  }
  return [time, heap]
}

/** Node raises its own limit to the hard one. */
function expectOpenFiles(least: number): void {
  const report = process.report?.getReport() as unknown as Report
  const most = report.userLimits?.open_files.hard
  if (typeof most === 'number' && most < least) {
    throw new RangeError(`Expected a hard limit of ${least} open files (ulimit -Hn), got ${most}`)
  }
}

/** What is of use here; `userLimits` is absent on Windows, which knows no such limit. */
interface Report {
  userLimits?: { open_files: { hard: number | string } }
}

function measureOf({ open }: Row): string {
  return open ? `${open} open connections` : 'open, an event, close'
}

function figureOf(row: Row): Omit<Figure, 'ratio' | 'absolute'> {
  return {
    suite: 'connections',
    measure: measureOf(row),
    subject: row.subject,
    against: withVersion(row.against),
    reads: 'times the cost',
  }
}

const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`
const micro = (microseconds: number) => `${microseconds.toFixed(1)} µs`
