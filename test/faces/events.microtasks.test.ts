import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type EventStream, events } from '../../src/faces/events'
import { OldAbortController } from '../support/abort-controller'
import { FakePage } from '../support/fake-page'
import { type AnyOptions, FEED, ownTheClock, reset, status } from '../support/play'
import { body } from '../support/response'

// A stream goes through promises: whenever a stop comes, between any two of them, it must hold. Each
// row is played once for each microtask of it.

ownTheClock()

const unhandled: unknown[] = []
const note = (reason: unknown) => unhandled.push(reason)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  vi.useRealTimers()
  await new Promise((resolve) => setTimeout(resolve))
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
  vi.useFakeTimers()
})

/** Microtasks after which nothing moves without a timer. */
const QUIET = 60
/** Milliseconds: no wait of these streams is longer. */
const WAIT = 5000

/** So many microtasks, and the timers wherever nothing else moves. */
async function pass(ticks: number, from = 0): Promise<void> {
  for (let tick = from; tick < from + ticks; tick++) {
    if (tick % QUIET === QUIET - 1) vi.advanceTimersByTime(WAIT)
    else await undefined
  }
}

type Serve = (attempt: number, lastEventId: number) => Response | Error

/** What a server has that sends four events, with IDs, and then this one. */
const rest = (lastEventId: number, end = 'end') =>
  [1, 2, 3, 4]
    .filter((id) => id > lastEventId)
    .map((id) => `: ${id}\nid: ${id}\ndata: ${id}\n\n`)
    .concat(`event: ${end}\ndata: -\n\n`)

const stream = (...args: Parameters<typeof body>) =>
  new Response(body(...args), { headers: { 'content-type': 'text/event-stream' } })

interface Row {
  readonly serve: Serve
  readonly options?: AnyOptions
  /** What is told of it if nobody stops it. */
  readonly story: string[]
}

const soon = async <T>(value: T): Promise<T> => value
const all = ['1', '2', '3', '4']
/** The last event is left out. */
const kept = (data: string) => (data === '-' ? undefined : data)

const rows: Record<string, Row> = {
  'opens, and is read': {
    serve: (_, id) => stream(rest(id)),
    story: [...all, 'done'],
  },
  'takes its time with everything before it opens': {
    serve: (_, id) => stream([rest(id).join('')]),
    options: {
      gate: () => soon(undefined),
      headers: () => soon({}),
      method: 'POST',
      body: () => soon('x'),
      resume: 'same',
      accept: () => soon(true),
      onOpen: () => soon(undefined),
      idleTimeout: () => 60_000,
      connectTimeout: 60_000,
    },
    story: [...all, 'done'],
  },
  'decodes by promises': {
    serve: (_, id) => stream(rest(id)),
    options: { decode: (data) => soon(kept(data)), skip: () => false },
    story: [...all, 'done'],
  },
  'is decoded by promises, many to a chunk': {
    serve: (_, id) => stream([rest(id).join('')]),
    options: { decode: (data) => (Number(data) % 2 ? data : soon(kept(data))) },
    story: [...all, 'done'],
  },
  'ends in a block without its blank line': {
    serve: (_, id) => stream([rest(id).join('').slice(0, -1)]),
    options: { until: ({ type }) => type === 'end', decode: (data) => soon(data) },
    story: [...all, '-', 'done'],
  },
  'is cut, and connects again': {
    serve: (_, id) => (id < 2 ? stream(rest(id).slice(0, 2), reset()) : stream(rest(id))),
    options: { retry: { delay: 0 } },
    story: [...all, 'done'],
  },
  'ends after each event, and is asked again': {
    serve: (_, id) => stream(rest(id).slice(0, 1)),
    options: { retry: { delay: 0 }, gate: () => {} },
    story: [...all, 'done'],
  },
  'is refused, and a policy thinks about it': {
    serve: (attempt, id) =>
      attempt === 1 ? reset() : attempt === 2 ? status(503) : stream(rest(id)),
    options: { retry: () => soon(0) },
    story: [...all, 'done'],
  },
  'is asked for fresh headers': {
    serve: (attempt, id) => (attempt === 1 ? status(401) : stream(rest(id))),
    options: { headers: () => soon({}) },
    story: [...all, 'done'],
  },
  'is refused for good': {
    serve: (_, id) => (id === 0 ? stream(rest(0).slice(0, 1)) : status(403)),
    options: { retry: { delay: 0 } },
    story: ['1', 'throws:status'],
  },
  'fails when it is decoded': {
    serve: (_, id) => stream([rest(id).join('')]),
    options: {
      decode: (data) => {
        if (data === '3') throw new Error('no')
        return kept(data)
      },
    },
    story: ['1', '2', 'throws:data'],
  },
  'is given up by a policy': {
    serve: (_, id) => (id === 0 ? stream(rest(0).slice(0, 1), reset()) : reset()),
    options: {
      retry: ({ error, response }) => soon(error?.code === 'network' && !response ? false : 0),
    },
    story: ['1', 'throws:network'],
  },
  'is ended by its server': {
    serve: (_, id) => (id === 0 ? stream(rest(0).slice(0, 1)) : status(204)),
    options: { retry: { delay: 0 }, until: undefined },
    story: ['1', 'done'],
  },
}

interface Run {
  readonly source: EventStream
  readonly story: string[]
  /** Calls of the caller's functions that came after the stop. */
  readonly late: string[]
  readonly signals: AbortSignal[]
  readonly control: AbortController
  readonly iterator: AsyncIterator<unknown>
  stopped: boolean
  readonly ended: Promise<void>
}

/** Starts a row; every function of the caller's is watched. */
function start({ serve, options = {} }: Row, lane: 'events' | 'batches'): Run {
  const control = new AbortController()
  const late: string[] = []
  const signals: AbortSignal[] = []
  const watched = <F>(name: string, run: F): F =>
    typeof run === 'function'
      ? (((...args: unknown[]) => {
          if (state.stopped) late.push(name)
          return run(...args)
        }) as F)
      : run
  const given: AnyOptions = {
    until: { type: 'end' },
    decode: kept,
    retry: ({ delay }) => delay,
    onOpen: () => {},
    onReconnect: () => {},
    onComment: () => {},
    cursor: undefined,
    signal: control.signal,
    ...options,
    fetch: async (_url, init) => {
      signals.push(init.signal as AbortSignal)
      const id = Number(new Headers(init.headers).get('last-event-id') ?? 0)
      const answer = serve(signals.length, id)
      if (answer instanceof Error) throw answer
      return answer
    },
  }
  const source = events(
    watched('input', () => soon(FEED)),
    Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, watched(name, value)]),
    ) as object,
  ) as EventStream
  const story: string[] = []
  const iterator = lane === 'events' ? source[Symbol.asyncIterator]() : source.batches()
  const follow = async () => {
    try {
      for await (const value of iterator) {
        for (const { data } of [value].flat() as { data: string }[]) story.push(data)
      }
      story.push('done')
    } catch (error) {
      const { code, name } = Object(error)
      story.push(`throws:${code ?? name ?? error}`)
    }
  }
  const state: Run = {
    source,
    story,
    late,
    signals,
    control,
    iterator,
    stopped: false,
    ended: follow(),
  }
  return state
}

/** How many microtasks a row lasts. */
async function lengthOf(row: Row): Promise<number> {
  const run = start(row, 'events')
  let ticks = 0
  let over = false
  run.ended.then(() => {
    over = true
  })
  while (!over) await pass(1, ticks++)
  expect(run.story).toEqual(row.story)
  return ticks
}

const stops: Record<string, (run: Run) => unknown> = {
  'close()': ({ source }) => source.close(),
  'an abort': ({ control }) => control.abort('stop'),
  'return()': ({ iterator }) => iterator.return?.(),
}

const platforms: Record<string, () => unknown> = {
  'with the platform’s AbortController': () => {},
  'with an AbortController that drops its reason': () =>
    vi.stubGlobal('AbortController', OldAbortController),
  // Where a lost connection is believed after a moment.
  'in a page': () => new FakePage(),
}

for (const [platform, setUp] of Object.entries(platforms)) {
  describe(platform, () => {
    let page: unknown
    beforeEach(() => {
      page = setUp()
    })
    afterEach(() => {
      if (page instanceof FakePage) expect(page.listeners).toBe(0)
      vi.unstubAllGlobals()
    })
    const old = platform.includes('drops')

    describe.each(Object.entries(rows))('a stream that %s', (_, row) => {
      test.each(Object.entries(stops))('is stopped by %s in any microtask', async (way, stop) => {
        const length = await lengthOf(row)
        for (const lane of ['events', 'batches'] as const) {
          for (let tick = 0; tick < length + 3; tick++) {
            const run = start(row, lane)
            await pass(tick)
            const { source } = run
            const { status: before, lastEventId } = source
            stop(run)
            run.stopped = true
            const at = `${lane}, microtask ${tick}`
            expect([at, source.status, source.retryAt]).toEqual([at, 'closed', undefined])
            await pass(3 * QUIET, tick)
            await run.ended
            expect([at, source.status, source.retryAt]).toEqual([at, 'closed', undefined])
            // What was handed over before is what arrives, and where it goes on is after that.
            const last = run.story.at(-1)
            const seen = run.story.filter((line) => /^\d$/.test(line))
            expect([at, source.lastEventId]).toEqual([at, lastEventId])
            expect([at, seen.join('')]).toEqual([at, all.slice(0, Number(lastEventId)).join('')])
            // The end that was decided before is the end; else it is the caller's.
            if (before === 'closed') expect([at, last]).toEqual([at, row.story.at(-1)])
            else if (way !== 'an abort') expect([at, last]).toEqual([at, 'done'])
            else expect([at, last]).toEqual([at, old ? 'throws:AbortError' : 'throws:stop'])
            expect([at, run.late]).toEqual([at, []])
            for (const { aborted } of run.signals) expect([at, aborted]).toEqual([at, true])
            expect([at, vi.getTimerCount()]).toEqual([at, 0])
            const { listeners } = run.control.signal as { listeners?: Set<unknown> }
            expect([at, listeners?.size ?? 0]).toEqual([at, 0])
          }
        }
      })

      test.each(['reconnect', 'fail'] as const)('hears %s() in any microtask', async (way) => {
        const length = await lengthOf(row)
        for (let tick = 0; tick < length; tick++) {
          const run = start(row, 'events')
          await pass(tick)
          const { source } = run
          const before = source.status
          source[way]('no good')
          const at = `microtask ${tick}`
          const heard = before !== 'closed' && before !== 'idle'
          if (heard) {
            const expected = way === 'reconnect' ? 'connecting' : 'waiting'
            expect([at, source.status, source.retryAt]).toEqual([at, expected, undefined])
          }
          // The word is for this attempt alone: what comes after it comes as without it.
          await pass(12 * QUIET, tick)
          await run.ended
          const end = run.story.at(-1)
          const seen = run.story.slice(0, -1).filter((line) => /^\d$/.test(line))
          const lasting = row.story.filter((line) => /^\d$/.test(line))
          expect([at, seen]).toEqual([at, lasting])
          expect([at, end]).toEqual([at, row.story.at(-1)])
          expect([at, vi.getTimerCount()]).toEqual([at, 0])
        }
      })
    })
  })
}
