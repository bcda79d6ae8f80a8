import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type EventsOptions, events } from '../../src/faces/events'
import type { Reconnect } from '../../src/session/session'
import { follow } from '../support/fetch'
import { live, stream } from '../support/response'
import { serve } from '../support/server'

const SECOND = 1000
const MINUTE = 60 * SECOND

/** A server in the clock of the test: what it answers, and when it was asked. */
interface World {
  readonly waits: number[]
  readonly told: Reconnect[]
  readonly asked: number[]
  readonly story: string[]
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** What a stream does in so much time at a server that answers so. */
async function watch(
  answer: (number: number) => Response | Error,
  options: EventsOptions = {},
  time = MINUTE,
): Promise<World> {
  const asked: number[] = []
  const told: Reconnect[] = []
  const story: string[] = []
  const began = Date.now()
  const source = events('http://x/', {
    async fetch() {
      asked.push(Date.now() - began)
      const answered = answer(asked.length)
      if (answered instanceof Error) throw answered
      return answered
    },
    onReconnect: (reconnect) => told.push(reconnect),
    ...options,
  })
  const followed = follow(source, story)
  await vi.advanceTimersByTimeAsync(time)
  source.close()
  await followed
  return { asked, told, story, waits: told.map(({ delay }) => delay) }
}

const cut = (wire: string) => stream([wire], new TypeError('terminated'))
/** Open for so long after this, and then cut. */
const openFor = (time: number, wire = '', end: 'cut' | 'end' = 'cut') => {
  const line = live()
  if (wire) line.write(wire)
  setTimeout(() => (end === 'cut' ? line.fail(new TypeError('terminated')) : line.end()), time)
  return line.response
}
const GROWING = [1000, 2000, 4000, 8000, 16_000]

describe('no progress, so waits grow and maxRetries is reached:', () => {
  const answers: [string, (number: number) => Response | Error][] = [
    ['a greeting and a reset', () => cut('event: hello\ndata: {}\n\n')],
    ['a greeting with one ID and a reset', () => cut('id: 1\ndata: hello\n\n')],
    ['a new event and a reset, each time', (number) => cut(`id: ${number}\ndata: ${number}\n\n`)],
    ['a new event, then half of the next', (number) => stream([`data: ${number}\n\ndata: x`])],
    ['a greeting and a clean end', () => stream(['event: server.connected\ndata: {}\n\n'])],
    ['the copy in a cache', () => stream(['id: 1\ndata: a\n\nid: 2\ndata: b\n\n'])],
    ['comments and a clean end', () => stream([':\n\n', ':\n\n'])],
    ['nothing', () => stream([])],
  ]
  test.each(answers)('%s', async (_, answer) => {
    const { waits } = await watch(answer)
    expect(waits.slice(0, 5)).toEqual(GROWING)
    const limited = await watch(answer, { retry: { maxRetries: 5 } }, 5 * MINUTE)
    expect(limited.asked.length).toBe(6)
  })
})

describe('progress, so the pace is kept:', () => {
  test('a clean end after each event', async () => {
    const { waits } = await watch((number) => stream([`data: ${number}\n\n`]), {
      retry: { maxRetries: 2 },
    })
    expect(waits.length).toBeGreaterThan(50)
    expect(new Set(waits)).toEqual(new Set([1000]))
  })

  test('a clean end after each event, at the pace that the server names', async () => {
    const { waits } = await watch((number) => stream([`retry: 3000\ndata: ${number}\n\n`]))
    expect(new Set(waits)).toEqual(new Set([3000]))
  })

  test.each(['cut', 'end'] as const)('a minute of silence, then its %s', async (end) => {
    const { waits } = await watch(() => openFor(MINUTE, '', end), {}, 10 * MINUTE)
    expect(waits.length).toBe(9)
    expect(new Set(waits)).toEqual(new Set([1000]))
  })

  test('two events and a reset', async () => {
    const { waits } = await watch((number) => cut(`data: a\n\ndata: ${number}\n\n`))
    expect(new Set(waits)).toEqual(new Set([1000]))
  })

  test.each([10, 25, 30].map((seconds) => seconds * SECOND))(
    'a cutter at %d ms, at the first reconnect after an outage of five minutes',
    async (time) => {
      const outage = 5 * MINUTE
      const began = Date.now()
      const { told } = await watch(
        () => (Date.now() - began < outage ? new TypeError('no network') : openFor(time)),
        {},
        15 * MINUTE,
      )
      const after = told.filter(({ attempt }) => attempt > 15).slice(0, 5)
      expect(Math.max(...told.map(({ failures }) => failures))).toBeGreaterThan(10)
      expect(after.map(({ failures, delay }) => [failures, delay])).toEqual(
        Array(5).fill([1, 1000]),
      )
    },
  )

  test('resetAfter replaces the time', async () => {
    const retry = { resetAfter: 20 * SECOND }
    const short = await watch(() => openFor(19 * SECOND), { retry }, 2 * MINUTE)
    expect(short.waits.slice(0, 3)).toEqual([1000, 2000, 4000])
    const long = await watch(() => openFor(20 * SECOND), { retry }, 2 * MINUTE)
    expect(new Set(long.waits)).toEqual(new Set([1000]))
  })
})

describe('no more than ten requests a second,', () => {
  const rows: [string, (number: number) => Response | Error, EventsOptions][] = [
    [
      'a proxy that makes each cut look clean, with delay: 0',
      (number) => stream([`id: ${number}\ndata: ${number}\n\n`]),
      { retry: { delay: 0 } },
    ],
    ['retry: 0 and a clean end', () => stream(['retry: 0\ndata: x\n\n']), {}],
    ['retry: 0 and a cut', () => cut('retry: 0\ndata: x\n\n'), {}],
    ['a policy of 0', () => stream([':\n\n']), { retry: () => 0 }],
    ['an async policy of 0', () => new TypeError('no'), { retry: async () => 0 }],
    ['a 503 with delay: 0', () => new Response(null, { status: 503 }), { retry: { delay: 0 } }],
  ]
  test.each(rows)('%s', async (_, answer, options) => {
    const { asked } = await watch(answer, options, 10 * SECOND)
    expect(asked.length).toBeGreaterThan(10)
    // At any second, wherever it begins: the first retry after progress is at once.
    for (const [index, at] of asked.entries()) {
      const next = asked[index + 11]
      if (next !== undefined) expect(next - at).toBeGreaterThanOrEqual(SECOND)
    }
  })

  test('over real sockets', async () => {
    vi.useRealTimers()
    let requests = 0
    const { url } = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`id: ${++requests}\ndata: ${requests}\n\n`)
    })
    const source = events(url, { retry: { delay: 0 } })
    setTimeout(() => source.close(), 1000)
    for await (const _ of source);
    expect(requests).toBeGreaterThan(3)
    expect(requests).toBeLessThanOrEqual(11)
  })
})

describe('a retry field', () => {
  test('of a day ends the stream, and says so', async () => {
    const source = events('http://x/', {
      fetch: async () => stream(['retry: 86400000\ndata: 1\n\n']),
    })
    const told: string[] = []
    await follow(source, told)
    expect(told).toEqual(['message:1', 'throws:refused'])
  })

  test('beyond 2^31 makes no hot loop', async () => {
    for (const retry of [2 ** 31, 2 ** 32, '9'.repeat(30)]) {
      const wire = `retry: ${retry}\ndata: 1\n\n`
      const { asked, story } = await watch(() => cut(wire), {}, MINUTE)
      expect([asked.length, story.at(-1)]).toEqual([1, 'throws:network'])
    }
  })

  test('of two hours is waited for, not a minute less', async () => {
    const { asked } = await watch(
      () => stream(['retry: 7200000\n\n']),
      {},
      2 * 60 * MINUTE + SECOND,
    )
    expect(asked).toEqual([0, 7_200_000])
  })
})
