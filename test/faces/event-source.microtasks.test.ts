import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { EventSource, type EventSourceInit } from '../../src/faces/event-source'
import { OldAbortController } from '../support/abort-controller'
import { ownTheClock, reset, status } from '../support/play'
import { stream } from '../support/response'

// Whenever a stop comes, between any two microtasks, nothing is fired after it. Each row is played
// once for each microtask of it.

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
/** Milliseconds: no wait of these sources is longer. */
const WAIT = 10_000

/** So many microtasks, and the timers wherever nothing else moves. */
async function pass(ticks: number, from = 0): Promise<void> {
  for (let tick = from; tick < from + ticks; tick++) {
    if (tick % QUIET === QUIET - 1) vi.advanceTimersByTime(WAIT)
    else await undefined
  }
}

const soon = async <T>(value: T): Promise<T> => value
const EVENTS = 'id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'

interface Row {
  readonly init?: EventSourceInit
  readonly serve: (attempt: number) => Response | Error
  /** What is told if nobody stops it. */
  readonly story: string[]
}

const told = ['open:1', 'message:1:1', 'message:1:2']

const rows: Record<string, Row> = {
  'a clean end, and a wait': {
    serve: (attempt) => (attempt === 1 ? stream([EVENTS]) : stream([':\n\n'], 'stall')),
    story: [...told, 'error:0', 'open:1'],
  },
  'a cut, and a wait': {
    serve: (attempt) => (attempt === 1 ? stream([EVENTS], reset()) : stream([':\n\n'], 'stall')),
    story: [...told, 'error:0', 'open:1'],
  },
  'a request that fails, and a policy that thinks': {
    init: { retry: () => soon(10) },
    serve: (attempt) => (attempt < 3 ? reset() : stream([EVENTS], 'stall')),
    story: ['error:0', 'error:0', ...told],
  },
  'a policy that thinks and gives up': {
    init: { retry: () => soon<false>(false) },
    serve: (attempt) => (attempt === 1 ? stream([EVENTS]) : reset()),
    story: [...told, 'error:2'],
  },
  'a refusal': {
    serve: (attempt) => (attempt === 1 ? stream([EVENTS]) : status(500)),
    story: [...told, 'error:0', 'error:2'],
  },
  'an end by the server': {
    serve: (attempt) => (attempt === 1 ? stream([EVENTS]) : status(204)),
    story: [...told, 'error:0', 'error:2'],
  },
  'an end by until': {
    init: { until: ({ data }) => data === '2' },
    serve: () => stream([EVENTS], 'stall'),
    story: [...told, 'error:2'],
  },
  'the end of a POST': {
    init: { method: 'POST' },
    serve: () => stream([EVENTS]),
    story: [...told, 'error:2'],
  },
  'two refusals that fresh headers answer': {
    init: { headers: () => soon({}) },
    serve: (attempt) => (attempt < 3 ? status(401) : stream([EVENTS], 'stall')),
    story: ['error:0', ...told],
  },
  'functions that take their time, and fail': {
    init: {
      gate: () => soon(undefined),
      headers: () => Promise.reject(new Error('no')),
      connectTimeout: 5000,
    },
    serve: () => stream([EVENTS]),
    story: ['error:0', 'error:0', 'error:2'],
  },
  'decoding by promises, and one that fails': {
    init: { decode: (data) => soon(data === '3' ? Promise.reject(new Error('no')) : data) },
    serve: () => stream([`${EVENTS}data: 3\n\n`], 'stall'),
    story: [...told, 'error:2'],
  },
}

interface Run {
  readonly source: EventSource
  readonly story: string[]
  readonly signals: AbortSignal[]
  readonly control: AbortController
}

function start({ init, serve }: Row, control = new AbortController()): Run {
  const signals: AbortSignal[] = []
  const source = new EventSource('http://localhost/', {
    signal: control.signal,
    ...init,
    fetch: async (_url, { signal }) => {
      signals.push(signal as AbortSignal)
      const answer = serve(signals.length)
      if (answer instanceof Error) throw answer
      return answer
    },
  })
  const story: string[] = []
  for (const type of ['open', 'message', 'error']) {
    source.addEventListener(type, (event) => {
      const data = event instanceof MessageEvent ? `:${event.data}` : ''
      story.push(`${type}:${source.readyState}${data}`)
    })
  }
  return { source, story, signals, control }
}

const stops: Record<string, (run: Run) => void> = {
  'close()': ({ source }) => source.close(),
  'its signal': ({ control }) => control.abort('enough'),
  'a signal that drops its reason': ({ control }) => control.abort(),
}

describe.each(Object.entries(rows))('%s', (_, row) => {
  test('is told so', async () => {
    const { story, source } = start(row)
    await pass(10 * QUIET)
    expect(story).toEqual(row.story)
    source.close()
  })

  test.each(Object.entries(stops))(
    'stopped by %s in any microtask: nothing follows',
    async (name, stop) => {
      const before = new Set<string>()
      for (let ticks = 0; ticks < 6 * QUIET; ticks++) {
        const old =
          name.includes('reason') && (new OldAbortController() as unknown as AbortController)
        const run = start(row, old || undefined)
        await pass(ticks)
        const { source, story, signals } = run
        const over = source.status === 'closed'
        stop(run)
        const told = [...story]
        before.add(`${told}`)
        expect([source.status, source.readyState, source.retryAt]).toEqual(['closed', 2, undefined])
        const sent = signals.length
        await pass(3 * QUIET, ticks)
        expect([ticks, story, source.status, signals.length]).toEqual([ticks, told, 'closed', sent])
        // What was under way has been let go of.
        if (!over && sent > 0) expect(signals.at(-1)?.aborted).toBe(true)
      }
      // Every stretch of the story was met.
      expect([...before]).toEqual(expect.arrayContaining([`${row.story}`]))
      expect(before.size).toBeGreaterThanOrEqual(row.story.length)
    },
  )

  test('reconnect() in any microtask brings a new connection', async () => {
    for (let ticks = 0; ticks < 4 * QUIET; ticks++) {
      const { source, signals } = start(row)
      await pass(ticks)
      const sent = signals.length
      source.reconnect()
      expect([ticks, source.status]).toEqual([ticks, 'connecting'])
      await pass(QUIET - 1)
      // The first may not have been made yet; what has been read is decoded first, and may fail.
      const excused = sent === 0 || (row.init?.decode && source.status === 'closed')
      expect([ticks, signals.length > sent || !!excused]).toEqual([ticks, true])
      source.close()
    }
  })
})
