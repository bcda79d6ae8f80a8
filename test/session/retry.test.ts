import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SseError, type SseErrorCode } from '../../src/errors'
import { type EventsOptions, events } from '../../src/faces/events'
import { backoffTime, type RetryContext, type RetryOptions } from '../../src/session/retry'
import type { Reconnect } from '../../src/session/session'
import { type Answer, answering, follow } from '../support/fetch'
import { stream } from '../support/response'

const NOW = Date.UTC(2025, 0, 1)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('the delay', () => {
  const delays = (options: RetryOptions, named?: number, failures = [1, 2, 3]) =>
    failures.map((count) => backoffTime(options, count, named ?? 1000, named))

  test.each<[string, RetryOptions, number | undefined, number[]]>([
    ['begins with the reconnection time and doubles', {}, undefined, [1000, 2000, 4000]],
    ['grows from what the server asked for with retry', {}, 5000, [5000, 10_000, 20_000]],
    ['grows from the delay option', { delay: 300 }, undefined, [300, 600, 1200]],
    ['is never below what the server asked for', { delay: 300 }, 5000, [5000, 10_000, 20_000]],
    [
      'takes a longer delay option over a shorter retry',
      { delay: 7000 },
      5,
      [7000, 14_000, 28_000],
    ],
    ['multiplies by the factor', { factor: 3 }, undefined, [1000, 3000, 9000]],
    ['stays as it is with factor 1', { factor: 1 }, undefined, [1000, 1000, 1000]],
    ['does not sink with a factor below 1', { factor: 0.5 }, undefined, [1000, 1000, 1000]],
    ['stops growing at maxDelay', { maxDelay: 3000 }, undefined, [1000, 2000, 3000]],
    [
      'is what the server asked for even over maxDelay',
      { maxDelay: 3000 },
      5000,
      [5000, 5000, 5000],
    ],
    ['is the delay option even over maxDelay', { delay: 9, maxDelay: 3 }, undefined, [9, 9, 9]],
    // Issue 11.25: no cap of an hour, which would be sooner than asked.
    ['is two hours where retry says so', {}, 2 * HOUR, [2 * HOUR, 2 * HOUR, 2 * HOUR]],
    ['is 0 where the caller asks for 0', { delay: 0 }, undefined, [0, 0, 0]],
    [
      'takes a time that is none for one not given',
      { delay: Number.NaN, maxDelay: Number.POSITIVE_INFINITY, factor: -1 },
      undefined,
      [1000, 2000, 4000],
    ],
  ])('%s', (_, options, named, expected) => {
    expect(delays(options, named)).toEqual(expected)
  })

  test('stops growing at 30 seconds', () => {
    expect(delays({}, undefined, [5, 6, 7, 2000])).toEqual([16_000, 30_000, 30_000, 30_000])
  })

  test('is a number after any count of failures', () => {
    expect(delays({ delay: 0 }, undefined, [5000])).toEqual([0])
    expect(delays({ maxDelay: Number.MAX_VALUE }, undefined, [5000])).toEqual([Number.MAX_VALUE])
  })

  test.each<[RetryOptions, number, number]>([
    [{}, 0, 2000],
    [{}, 0.5, 3000],
    [{}, 0.999, 3998],
    [{ jitter: 1 }, 0.999, 3998],
    [{ jitter: 0.5 }, 0, 2000],
    [{ jitter: 0.5 }, 0.5, 2500],
    [{ jitter: 0.5 }, 0.999, 2999],
    [{ jitter: 0 }, 0.999, 2000],
  ])(
    'with %o and chance %d, jitter makes %d of 2000: added, never taken',
    (options, chance, expected) => {
      vi.mocked(Math.random).mockReturnValue(chance)
      expect(backoffTime(options, 2, 1000)).toBeCloseTo(expected)
    },
  )

  test.each<[string, number, number, number, number]>([
    ['the cap, by all of it', 99, 0, 0, 45_000],
    ['retry, by all of it', 1, HOUR, 0, 1.5 * HOUR],
    ['Retry-After, by a tenth', 1, 0, 100_000, 105_000],
    ['Retry-After, by 30 seconds at most', 1, 0, 2 * HOUR, 2 * HOUR + 15_000],
    ['the longer one of the two', 9, 0, 1000, 45_000],
  ])('spreads %s', (_, failures, named, retryAfter, expected) => {
    vi.mocked(Math.random).mockReturnValue(0.5)
    expect(backoffTime({}, failures, 1000, named, retryAfter)).toBe(expected)
  })
})

/** What becomes of attempts: how often they were made, the waits told, and how it ended. */
async function play(answers: Answer[], options: EventsOptions = {}, time = 20 * MINUTE) {
  const { fetch, requests } = answering(...answers)
  const told: Reconnect[] = []
  const story: string[] = []
  const source = events('https://example.com/', {
    fetch,
    onReconnect: (reconnect) => told.push(reconnect),
    ...options,
  })
  const followed = follow(source, story)
  for (let now = 0; now < time && source.status !== 'closed'; now += MINUTE) {
    await vi.advanceTimersByTimeAsync(MINUTE)
  }
  source.close()
  await followed
  return { requests, waits: told.map(({ delay }) => delay), told, end: story.at(-1), story }
}

const refusal = (status: number, headers: Record<string, string> = {}) =>
  new Response(null, { status, headers })
const refusals = (count: number, status: number, headers: Record<string, string> = {}) =>
  Array.from({ length: count }, () => refusal(status, headers))
const noContent = () => refusal(204)
const cut = (wire: string) => stream([wire], new TypeError('terminated'))

describe('what a server asks for', () => {
  const inTwoMinutes = new Date(NOW + 2 * MINUTE).toUTCString()
  const anHourAgo = new Date(NOW - HOUR).toUTCString()

  test.each<[string, Record<string, string>, number]>([
    ['seconds', { 'retry-after': '120' }, 120_000],
    ['seconds with zeros before them', { 'retry-after': '007' }, 7000],
    ['seconds beyond the cap', { 'retry-after': '7200' }, 2 * HOUR],
    ['seconds fewer than the delay', { 'retry-after': '0' }, 1000],
    ['a date', { 'retry-after': inTwoMinutes }, 2 * MINUTE],
    [
      'a date in the form of RFC 850',
      { 'retry-after': 'Wednesday, 01-Jan-25 00:02:00 GMT' },
      2 * MINUTE,
    ],
    ['a date in the past', { 'retry-after': anHourAgo }, 1000],
    ['a date that is now', { 'retry-after': new Date(NOW).toUTCString() }, 1000],
    // Issue 11.4a: a client whose clock is an hour off.
    ['a date, by the Date of the answer', { 'retry-after': anHourAgo, date: anHourAgo }, 1000],
    [
      'a date that is two minutes after the answer’s own',
      { 'retry-after': new Date(NOW - HOUR + 2 * MINUTE).toUTCString(), date: anHourAgo },
      2 * MINUTE,
    ],
    ['milliseconds', { 'retry-after-ms': '2500' }, 2500],
    ['milliseconds, over seconds', { 'retry-after-ms': '2500', 'retry-after': '9' }, 2500],
    ['milliseconds that are none', { 'retry-after-ms': 'soon', 'retry-after': '9' }, 9000],
    ['a word', { 'retry-after': 'soon' }, 1000],
    ['a negative number', { 'retry-after': '-120' }, 1000],
    ['a fraction', { 'retry-after': '120.5' }, 1000],
    ['seconds with a unit', { 'retry-after': '120s' }, 1000],
    ['two values', { 'retry-after': '120, 120' }, 1000],
    ['nothing', { 'retry-after': '' }, 1000],
    ['no word', {}, 1000],
  ])('by %s is waited for', async (_, headers, wait) => {
    const { waits, requests } = await play([refusal(503, headers), noContent()], {}, 3 * HOUR)
    expect([waits, requests.length]).toEqual([[wait], 2])
  })

  test('by Retry-After on a stream holds for its end as well', async () => {
    const ended = new Response('data: 1\n\n', {
      headers: { 'content-type': 'text/event-stream', 'retry-after': '9' },
    })
    expect((await play([ended, noContent()])).waits).toEqual([9000])
  })

  test.each<[string, Answer, number]>([
    ['14 days by Retry-After', refusal(503, { 'retry-after': '1209600' }), 14 * DAY],
    ['a day by Retry-After', refusal(503, { 'retry-after': '86400' }), DAY],
    ['beyond all timers', refusal(503, { 'retry-after': '999999999999' }), 999_999_999_999_000],
    ['a day by retry-after-ms', refusal(503, { 'retry-after-ms': `${DAY}` }), DAY],
  ])('for %s is thrown, with what it was', async (_, answer, retryAfter) => {
    const failed = play([answer])
    const { end, requests } = await failed
    expect([end, requests.length]).toEqual(['throws:status', 1])
    const source = events('https://example.com/', { fetch: answering(answer).fetch })
    await expect(source[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'status',
      retryAfter,
    })
  })

  test.each([`${DAY}`, `${2 ** 31}`, '9'.repeat(400)])(
    'for a day or more by a retry field of %s ends the stream: refused',
    async (retry) => {
      const { story, requests } = await play([stream([`retry: ${retry}\ndata: 1\n\n`])])
      expect([story, requests.length]).toEqual([['message:1', 'throws:refused'], 1])
    },
  )

  test('for less than a day by a retry field is waited for', async () => {
    const wire = `retry: ${DAY - 1}\ndata: 1\n\n`
    expect((await play([stream([wire]), noContent()], {}, 2 * DAY)).waits).toEqual([DAY - 1])
  })

  test('for a day is what a policy may overrule: it is asked with false', async () => {
    const asked: RetryContext[] = []
    const answers = [refusal(503, { 'retry-after': '1209600' }), noContent()]
    const { waits } = await play(answers, {
      retry: (context) => {
        asked.push(context)
        return 5
      },
    })
    expect(asked).toMatchObject([{ delay: false, backoff: 14 * DAY, failures: 1 }])
    expect(waits).toEqual([5])
  })

  test.each<[number, Record<string, string>, number]>([
    [503, { 'retry-after': '60' }, 1],
    [429, { 'retry-after': '59' }, 2],
    [429, { 'retry-after-ms': '60000' }, 1],
  ])('of a POST, %d with %o, is waited for below a minute', async (status, headers, count) => {
    const { requests } = await play([refusal(status, headers), stream([])], { json: {} })
    expect(requests.length).toBe(count)
  })

  test('of a POST that resume repeats, is waited for below a day', async () => {
    const answers = [refusal(503, { 'retry-after': '7200' }), stream([])]
    const { waits } = await play(answers, { json: {}, resume: 'same' }, 3 * HOUR)
    expect(waits).toEqual([2 * HOUR])
  })
})

describe('x-should-retry', () => {
  const word = (value: string) => ({ 'x-should-retry': value })

  test.each<[number, string, string, number]>([
    [503, 'false', 'GET', 1],
    [429, 'false', 'POST', 1],
    [400, 'true', 'GET', 2],
    [403, 'true', 'POST', 2],
    [503, 'true', 'POST', 2],
    [503, 'maybe', 'GET', 2],
    [503, 'maybe', 'POST', 1],
  ])('%d with %s on a %s: %d requests', async (status, value, method, count) => {
    const { requests } = await play([refusal(status, word(value)), noContent()], { method })
    expect(requests.length).toBe(count)
  })

  test('false ends fresh headers, too', async () => {
    const { requests, end } = await play([refusal(401, word('false')), noContent()], {
      headers: () => ({}),
    })
    expect([requests.length, end]).toEqual([1, 'throws:status'])
  })
})

describe('whether to retry', () => {
  const passing: [SseErrorCode, number?][] = [
    ['network'],
    ['truncated'],
    ['timeout'],
    ['idle'],
    // Issue 11.13 and 11.21: 529, and what Cloudflare says.
    ...[408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530, 529].map(
      (status) => ['status', status] as [SseErrorCode, number],
    ),
  ]
  const final: [SseErrorCode, number?][] = [
    ...[203, 301, 400, 401, 403, 404, 409, 410, 501, 505].map(
      (status) => ['status', status] as [SseErrorCode, number],
    ),
    ['content-type'],
    ['redirect'],
    ['too-large'],
    ['data'],
    ['refused'],
    ['unrepeatable'],
    ['auth'],
    // The error has a status, but that is not what went wrong.
    ['refused', 503],
  ]
  test.each(passing)('%s %s is retriable', (code, status) => {
    expect(new SseError(code, '', { status }).retriable).toBe(true)
  })
  test.each(final)('%s %s is not', (code, status) => {
    expect(new SseError(code, '', { status }).retriable).toBe(false)
  })

  test.each(passing.filter(([code]) => code === 'status'))(
    'a GET is asked again after %s %s, a thousand times',
    async (_, status = 0) => {
      const { requests, end } = await play(
        [...refusals(1000, status), noContent()],
        { retry: { delay: 0, jitter: 0 } },
        10 * MINUTE,
      )
      expect([requests.length, end]).toEqual([1001, 'done'])
    },
  )

  test('a 409 is retriable where the answer invites it', async () => {
    const invited = [refusal(409, { 'retry-after': '1' }), noContent()]
    expect((await play(invited)).requests.length).toBe(2)
    expect((await play([refusal(409), noContent()])).requests.length).toBe(1)
  })

  test.each([0, 1, 3])('maxRetries: %d retries as many failures in a row', async (maxRetries) => {
    for (const answer of [() => refusal(503), () => new TypeError('no network')]) {
      const answers = Array.from<unknown, Answer>({ length: 9 }, answer)
      expect((await play(answers, { retry: { maxRetries } })).requests.length).toBe(maxRetries + 1)
    }
  })

  test('maxRetries ends clean ends without progress, as complete', async () => {
    const empty = Array.from({ length: 9 }, () => stream([]))
    const { requests, end } = await play(empty, { retry: { maxRetries: 2 } })
    expect([requests.length, end]).toEqual([3, 'done'])
  })
})

describe('a policy', () => {
  const failing = () => Array.from({ length: 9 }, () => new TypeError('no network'))

  test('is told what the built-in one would do, and how long it would wait', async () => {
    const asked: RetryContext[] = []
    await play([cut('id: 7\ndata: 1\n\n'), refusal(503), refusal(404), noContent()], {
      retry: (context) => {
        asked.push(context)
        return context.delay
      },
    })
    expect(asked).toMatchObject([
      { error: { code: 'network' }, attempt: 1, failures: 1, delay: 1000, backoff: 1000 },
      { error: { status: 503 }, attempt: 2, failures: 2, delay: 2000, backoff: 2000 },
      // The stream has been open: a container that is replaced.
      { error: { status: 404 }, attempt: 3, failures: 3, delay: 4000, backoff: 4000 },
    ])
    expect(asked.map(({ cursor, response }) => [cursor, response?.status])).toEqual([
      ['7', 200],
      ['7', 503],
      ['7', 404],
    ])
  })

  test('knows how long the built-in one would wait where that gives up', async () => {
    const asked: RetryContext[] = []
    await play([refusal(403)], { retry: (context) => asked.push(context) > 0 && context.delay })
    expect(asked).toMatchObject([{ delay: false, backoff: 1000 }])
  })

  test('has the say on any end, and on the wait', async () => {
    const { waits, end } = await play([refusal(403), stream([]), noContent()], { retry: () => 250 })
    expect([waits, end]).toEqual([[250, 250], 'done'])
  })

  test('may take its time, and stop', async () => {
    const retry = async ({ failures }: RetryContext) => failures < 3 && 1
    const { requests, end } = await play(failing(), { retry })
    expect([requests.length, end]).toEqual([3, 'throws:network'])
  })

  test('has the last word where it throws', async () => {
    const retry = () => {
      throw new RangeError('enough')
    }
    expect((await play(failing(), { retry })).end).toBe('throws:RangeError')
  })

  test('that says Infinity has said no time, and makes no hot loop', async () => {
    const { waits } = await play(failing(), { retry: () => Number.POSITIVE_INFINITY }, MINUTE)
    expect(waits.slice(0, 3)).toEqual([1000, 2000, 4000])
  })

  test('that says 0 waits 100 ms from the second time in a row', async () => {
    expect((await play(failing(), { retry: () => 0 })).waits.slice(0, 3)).toEqual([0, 100, 100])
  })

  test('cannot allow a repeat', async () => {
    const retry = vi.fn(() => 1)
    const { requests, end } = await play([cut('data: 1\n\n')], { retry, method: 'POST' })
    expect([requests.length, end, retry.mock.calls]).toEqual([1, 'throws:network', []])
  })

  test('is asked about an unsafe request no more than twice in a row', async () => {
    const retry = vi.fn(() => 1)
    const { requests, end } = await play(refusals(9, 429), { retry, json: 1 })
    expect([requests.length, end, retry.mock.calls.length]).toEqual([3, 'throws:status', 2])
  })
})

describe('no hot loop', () => {
  const ended = (wire: string) => Array.from({ length: 700 }, () => stream([wire]))

  test.each<[string, () => Answer[], EventsOptions]>([
    ['a server that says retry: 0 and closes', () => ended('retry: 0\ndata: 1\n\n'), {}],
    ['a clean end at once, with a delay of 0', () => ended('data: 1\n\n'), { retry: { delay: 0 } }],
    [
      'a clean end after a new event each',
      () => ended('data: 1\n\n').map((_, i) => stream([`id: ${i}\ndata: 1\n\n`])),
      { retry: { delay: 0 } },
    ],
    ['a clean end at once, with a policy of 0', () => ended('data: 1\n\n'), { retry: () => 0 }],
    ['failures at a delay of 0', () => refusals(700, 503), { retry: { delay: 0 } }],
    [
      'lost lines at a delay of 0',
      () => ended('').map(() => cut(':\n\n')),
      { retry: { delay: 0 } },
    ],
  ])('of %s: ten requests a second at most', async (_, answers, options) => {
    const { fetch, requests } = answering(...answers())
    const source = events('https://example.com/', { fetch, ...options })
    const followed = follow(source, [])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(requests.length).toBeLessThanOrEqual(102)
    expect(requests.length).toBeGreaterThan(4)
    source.close()
    await followed
  })

  test('but the first retry after progress is at once', async () => {
    const long = stream(['id: 1\ndata: 1\n\n', 'id: 2\ndata: 2\n\n'], new Error('cut'))
    const { waits } = await play([long, noContent()], { retry: { delay: 0 } })
    expect(waits).toEqual([0])
  })
})
