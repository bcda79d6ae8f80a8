import { readFile } from 'node:fs/promises'
import type { CDPSession, Page as Tab } from 'playwright-core'
import { launch } from '../../browser/chromium'
import { bundle } from '../bundle'
import type { Figure } from '../figure'
import { median } from '../rounds'
import { EVENTS_PER_BLOCK } from '../stream/fixture'
import { startServer } from '../stream/process'
import { withVersion } from '../versions'
import type { Page, PageParser, PageSubject } from './page'

export interface ChromiumOptions {
  /** Fewer and shorter rounds; without `only`, a few rows that have a goal. */
  quick: boolean
  /** Only the rows with all of these words in `measure / subject / against`. Default: every row. */
  only?: readonly string[]
}

interface Row {
  measure: string
  subject: PageSubject
  against: PageSubject
  shape: 'burst' | 'chunks'
  /** Events a second, against another, or CPU of the main thread, against a floor. */
  goal?: number
}

const BRIEF_FIXTURES = ['llm', '40b', 'cjk']

/** In the page. */
declare const bench: Page

/** The same in a page of Chromium; it says nothing of Node. */
export async function suite({ quick, only = [] }: ChromiumOptions): Promise<Figure[]> {
  const options = { platform: 'browser', banner: {}, format: 'iife' } as const
  const script = await bundle(new URL('page.ts', import.meta.url), options)
  const server = await startServer(
    await bundle(new URL('../stream/server.child.ts', import.meta.url)),
  )
  const browser = await launch()
  const brief = quick && only.length === 0
  const found: Figure[] = []
  try {
    const tab = await browser.newPage()
    await tab.goto(`${server.origin}/page`)
    await tab.evaluate(await readFile(script, 'utf8'))
    const main = await mainThread(tab)
    const rounds = quick ? { rounds: 3, least: 40 } : { rounds: 9, least: 120 }
    const asked = (...words: string[]) => only.every((word) => words.join(' / ').includes(word))

    for (const row of rows(brief)) {
      const { measure, subject, against } = row
      if (asked(measure, subject, against)) found.push(await stream(tab, main, row, rounds))
    }
    for (const { key, name } of await tab.evaluate(() => bench.fixtures())) {
      if (brief && !BRIEF_FIXTURES.includes(key)) continue
      if (asked('parse', name)) found.push(await parse(tab, main, key, name, rounds))
    }
  } finally {
    await browser.close()
    server.stop()
  }
  return found
}

function rows(brief: boolean): Row[] {
  const burst = { measure: '40 B events, 64 KiB chunks', shape: 'burst' } as const
  const single = { measure: '40 B events, one HTTP chunk each', shape: 'chunks' } as const
  const first: Row[] = [
    { ...burst, subject: 'batches()', against: 'native', goal: 50 },
    { ...single, subject: 'batches()', against: 'reader floor', goal: 1.3 },
  ]
  if (brief) return first
  return [
    ...first,
    { ...burst, subject: 'EventSource', against: 'native', goal: 12 },
    { ...burst, subject: 'batches()', against: 'reader floor', goal: 1.55 },
    { ...burst, subject: 'for await', against: 'native', goal: 40 },
    { ...burst, subject: 'for await', against: 'reader floor' },
    { ...burst, subject: 'fetchEventSource', against: '@microsoft/fetch-event-source' },
    { ...burst, subject: 'EventSource', against: 'sse.js' },
    { ...single, subject: 'batches()', against: 'native', goal: 15 },
    { ...single, subject: 'for await', against: 'native', goal: 15 },
    { ...single, subject: 'for await', against: 'reader floor', goal: 1.3 },
    { ...single, subject: 'EventSource', against: 'native' },
  ]
}

/** So many times the length of a round. */
const WARM_UP = 4
/** Blocks in the shortest stream: four times what comes out of the browser's buffers. */
const SHORTEST = 8

interface Rounds {
  rounds: number
  /** Milliseconds that a round of one side takes at least. */
  least: number
}

interface Cost {
  /** Milliseconds, of a unit of work. */
  wall: number
  /** The same of the main thread's CPU. */
  cpu: number
}

/** Does so many units of work, and returns how many milliseconds that took. */
type Work = (times: number) => Promise<number>
type Main = () => Promise<number>

/** Milliseconds of CPU that the page's main thread has spent in tasks. */
async function mainThread(tab: Tab): Promise<Main> {
  const session: CDPSession = await tab.context().newCDPSession(tab)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  return async () => {
    const { metrics } = await session.send('Performance.getMetrics')
    const spent = metrics.find(({ name }) => name === 'TaskDuration')?.value
    return (spent ?? Number.NaN) * 1000
  }
}

/** Lets two sides take turns, as `takeTurns` does for this process. */
async function takeTurns(main: Main, works: [Work, Work], { rounds, least }: Rounds, shortest = 1) {
  const run = async (work: Work, times: number): Promise<Cost> => {
    const before = await main()
    const wall = await work(times)
    return { wall: wall / times, cpu: ((await main()) - before) / times }
  }
  // Until a round is long enough, and the code is warm.
  const calibrate = async (work: Work): Promise<number> => {
    let times = shortest
    for (let spent = 0; spent < least * WARM_UP; ) {
      const { wall } = await run(work, times)
      spent += wall * times
      times = Math.max(times, Math.min(Math.ceil(least / wall), times * 4))
    }
    return times
  }
  const times = [await calibrate(works[0]), await calibrate(works[1])] as const
  const costs: [Cost, Cost][] = []
  for (let round = 0; round < rounds; round++) {
    const early = round % 2 === 0 ? await run(works[0], times[0]) : undefined
    const second = await run(works[1], times[1])
    costs.push([early ?? (await run(works[0], times[0])), second])
  }
  const compare = (unit: keyof Cost) => ({
    ratio: median(costs.map(([a, b]) => a[unit] / b[unit])),
    subject: median(costs.map(([a]) => a[unit])),
    against: median(costs.map(([, b]) => b[unit])),
  })
  return { wall: compare('wall'), cpu: compare('cpu') }
}

async function stream(tab: Tab, main: Main, row: Row, rounds: Rounds): Promise<Figure> {
  const { measure, subject, against, shape, goal } = row
  const floor = against.endsWith('floor')
  const figure = {
    suite: 'chromium' as const,
    measure,
    subject,
    against:
      against === 'native'
        ? `Chromium ${tab.context().browser()?.version()}`
        : withVersion(against),
    goal,
  }
  const check = (name: PageSubject) =>
    tab.evaluate(([name, shape]) => bench.check(name, shape, 40), [name, shape] as const)
  const wrong = (await check(subject)) ?? (await check(against))
  const side =
    (name: PageSubject): Work =>
    (blocks) =>
      tab.evaluate(([name, shape, blocks]) => bench.read(name, shape, 40, blocks), [
        name,
        shape,
        blocks,
      ] as const)
  const { wall, cpu } = await takeTurns(main, [side(subject), side(against)], rounds, SHORTEST)
  const told = ({ wall, cpu }: Cost) => {
    const rate = Number(((EVENTS_PER_BLOCK / wall) * 1000).toPrecision(2)).toLocaleString('en')
    const spent = ((cpu * 1e6) / EVENTS_PER_BLOCK).toFixed(0)
    return `${rate} events a second, ${spent} ns of the main thread each`
  }
  return {
    ...figure,
    ratio: floor ? cpu.ratio : 1 / wall.ratio,
    reads: floor ? 'times the cost' : 'times as fast',
    absolute: {
      subject: told({ wall: wall.subject, cpu: cpu.subject }),
      against: told({ wall: wall.against, cpu: cpu.against }),
    },
    ...(wrong === undefined ? {} : { wrong }),
  }
}

async function parse(
  tab: Tab,
  main: Main,
  key: string,
  name: string,
  rounds: Rounds,
): Promise<Figure> {
  const rival = 'eventsource-parser'
  const check = (name: PageParser) =>
    tab.evaluate(([name, key]) => bench.checkParser(name, key), [name, key] as const)
  const wrong = (await check('tidings')) ?? (await check(rival))
  const side =
    (name: PageParser): Work =>
    (times) =>
      tab.evaluate(([name, key, times]) => bench.parse(name, key, times), [
        name,
        key,
        times,
      ] as const)
  const { cpu } = await takeTurns(main, [side('tidings'), side(rival)], rounds)
  const spent = (milliseconds: number) => `${milliseconds.toFixed(2)} ms of the main thread`
  return {
    suite: 'chromium',
    measure: `parse: ${name}`,
    subject: 'Tidings',
    against: withVersion(rival),
    ratio: 1 / cpu.ratio,
    reads: 'times as fast',
    goal: 1,
    absolute: { subject: spent(cpu.subject), against: spent(cpu.against) },
    ...(wrong === undefined ? {} : { wrong }),
  }
}
