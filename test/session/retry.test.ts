import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SseError, type SseErrorCode } from '../src/errors'
import { type EventsOptions, events } from '../src/events'
import {
  isRepeatable,
  type RetryContext,
  type RetryOptions,
  retryDelay,
  shouldRetry,
} from '../src/retry'
import { type Answer, answering, follow } from './support/fetch'
import { stream } from './support/response'

const NOW = Date.UTC(2025, 0, 1)
const HOUR = 3_600_000
const LONGEST = 2 ** 31 - 1

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function failure(code: SseErrorCode, status?: number): SseError {
  return new SseError(code, '', { status })
}

describe('the delay', () => {
  const place = (asked?: number) => ({ asked, reconnectionTime: asked ?? 1000 })
  const delays = (options: RetryOptions, asked?: number, failures = [1, 2, 3]) =>
    failures.map((count) => retryDelay(options, count, place(asked)))

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
    ['takes retry for an hour at most', {}, 86_400_000, [HOUR, HOUR, HOUR]],
    [
      'takes a retry beyond all numbers for an hour',
      {},
      Number.POSITIVE_INFINITY,
      [HOUR, HOUR, HOUR],
    ],
    [
      'keeps a delay option of more than an hour',
      { delay: 2 * HOUR },
      5,
      [2 * HOUR, 2 * HOUR, 2 * HOUR],
    ],
    ['makes no hot loop of retry: 0', {}, 0, [100, 200, 400]],
    ['makes no hot loop of retry: 1', {}, 1, [100, 200, 400]],
    ['is 0 where the caller asks for 0', { delay: 0 }, undefined, [0, 0, 0]],
  ])('%s', (_, options, asked, expected) => {
    expect(delays(options, asked)).toEqual(expected)
  })

  test('stops growing at 30 seconds', () => {
    expect(delays({}, undefined, [5, 6, 7, 2000])).toEqual([16_000, 30_000, 30_000, 30_000])
  })

  test('is a number after any count of failures', () => {
    expect(delays({ delay: 0 }, undefined, [5000])).toEqual([0])
    expect(delays({ maxDelay: Number.POSITIVE_INFINITY }, undefined, [5000])).toEqual([
      Number.POSITIVE_INFINITY,
    ])
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
      expect(retryDelay(options, 2, place())).toBeCloseTo(expected)
    },
  )

  test('spreads over the cap and over what the server asked for, too', () => {
    vi.mocked(Math.random).mockReturnValue(0.5)
    expect(retryDelay({}, 99, place())).toBe(45_000)
    expect(retryDelay({}, 1, place(2 * HOUR))).toBe(1.5 * HOUR)
    expect(retryDelay({}, 1, place(), retryAfter('10'))).toBe(15_000)
  })

  const retryAfter = (value: string) => new Response(null, { headers: { 'retry-after': value } })
  const inTwoMinutes = NOW + 120_000

  test.each([
    ['seconds', '120', 120_000],
    ['seconds with zeros before them', '007', 7000],
    ['seconds beyond the cap and the hour', '7200', 7_200_000],
    ['seconds fewer than the delay', '0', 1000],
    ['a date', new Date(inTwoMinutes).toUTCString(), 120_000],
    ['a date in the form of RFC 850', 'Wednesday, 01-Jan-25 00:02:00 GMT', 120_000],
    ['a date in the past', new Date(NOW - 120_000).toUTCString(), 1000],
    ['a date that is now', new Date(NOW).toUTCString(), 1000],
    ['a word', 'soon', 1000],
    ['a negative number', '-120', 1000],
    ['a fraction', '120.5', 1000],
    ['seconds with a unit', '120s', 1000],
    ['two values', '120, 120', 1000],
    ['nothing', '', 1000],
  ])('with a Retry-After of %s (%j) is %d', (_, value, expected) => {
    expect(retryDelay({}, 1, place(), retryAfter(value))).toBe(expected)
  })

  test('is as ever after a response without Retry-After', () => {
    expect(retryDelay({}, 2, place(), new Response())).toBe(2000)
  })
})

describe('whether to retry', () => {
  const context = (error: SseError | undefined, failures = 1): RetryContext => ({
    error,
    failures,
    attempt: failures,
    delay: 0,
    lastEventId: '',
    response: undefined,
  })
  const transient = [
    undefined,
    failure('network'),
    failure('truncated'),
    failure('timeout'),
    failure('idle'),
    ...[408, 425, 429, 500, 502, 503, 504].map((status) => failure('status', status)),
  ]
  const final = [
    ...[201, 301, 400, 401, 403, 404, 409, 410, 501, 505].map((status) =>
      failure('status', status),
    ),
    ...(['content-type', 'redirect', 'too-large', 'data', 'refused'] as const).map((code) =>
      failure(code),
    ),
    ...(['unrepeatable', 'auth'] as const).map((code) => failure(code)),
  ]
  const rows = (errors: (SseError | undefined)[]) =>
    errors.map((error) => [error?.code ?? 'a clean end', error?.status ?? '', error] as const)

  test.each(rows(transient))('%s %s is retried', (_code, _status, error) => {
    expect(shouldRetry({}, context(error))).toBe(true)
    expect(shouldRetry({}, context(error, 1_000_000))).toBe(true)
  })

  test.each(rows(final))('%s %s is not retried', (_code, _status, error) => {
    expect(shouldRetry({}, context(error))).toBe(false)
  })

  test('statuses takes the place of the list of statuses, and of nothing else', () => {
    const options = { statuses: [404] }
    expect(shouldRetry(options, context(failure('status', 404)))).toBe(true)
    expect(shouldRetry(options, context(failure('status', 503)))).toBe(false)
    expect(shouldRetry(options, context(failure('network')))).toBe(true)
    // The error has a status, but that is not what went wrong.
    expect(shouldRetry(options, context(failure('refused', 404)))).toBe(false)
  })

  test.each([
    [0, [false, false, false, false]],
    [1, [true, false, false, false]],
    [3, [true, true, true, false]],
    [Number.POSITIVE_INFINITY, [true, true, true, true]],
  ])('maxRetries: %d retries as many failures in a row', (maxRetries, expected) => {
    const retried = [1, 2, 3, 4].map((count) =>
      shouldRetry({ maxRetries }, context(failure('network'), count)),
    )
    expect(retried).toEqual(expected)
    expect(shouldRetry({ maxRetries }, context(undefined))).toBe(expected[0])
  })

  test.each<[SseError | undefined, string, boolean]>([
    [undefined, '', true],
    [failure('network'), '', false],
    [failure('network'), '7', true],
    [failure('truncated'), '', false],
    [failure('timeout'), '', false],
    [failure('idle'), '', false],
    [failure('idle'), '7', true],
    [failure('status', 500), '', false],
    [failure('status', 500), '7', true],
    [failure('status', 502), '', false],
    [failure('status', 504), '', false],
    [failure('status', 408), '', true],
    [failure('status', 425), '', true],
    [failure('status', 429), '', true],
    [failure('status', 503), '', true],
    [failure('refused', 503), '', false],
  ])('an unsafe request after %s with ID %j: repeatable is %s', (error, lastEventId, expected) => {
    expect(isRepeatable({ ...context(error), lastEventId })).toBe(expected)
  })
})

describe('the wait', () => {
  test.each([
    ['Retry-After', { 'retry-after': '999999999999' }],
    ['a date', { 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }],
  ])('of %s beyond what a timer can keep does not end at once', async (_, headers) => {
    const { fetch, requests } = answering(new Response('', { status: 503, headers }))
    const source = events('https://example.com/', { fetch })
    const followed = follow(source, [])
    await vi.advanceTimersByTimeAsync(LONGEST - 1)
    expect(requests.length).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(requests.length).toBe(2)
    source.close()
    await followed
  })

  test('of a policy that says Infinity does not end at once', async () => {
    const { fetch, requests } = answering(new Error('reset'))
    const source = events('https://example.com/', { fetch, retry: () => Number.POSITIVE_INFINITY })
    const followed = follow(source, [])
    await vi.advanceTimersByTimeAsync(LONGEST - 1)
    expect(requests.length).toBe(1)
    source.close()
    await followed
  })
})

// DESIGN section 5, promise 4: no unsafe repeat.
describe('method x outcome x ID', () => {
  type Fault = [name: string, answer: () => Answer, code: string, options?: EventsOptions]
  const until = '[DONE]'
  const one = 'data: 1\n\n'
  const faults: Fault[] = [
    ['truncation', () => stream([one]), 'truncated'],
    ['a reset before the headers', () => new TypeError('fetch failed'), 'network'],
    ['an error mid-body', () => stream([one], new TypeError('terminated')), 'network'],
    ['connectTimeout', () => 'silence', 'timeout', { connectTimeout: 1000 }],
    ['idleTimeout', () => stream([one], 'stall'), 'idle', { idleTimeout: 1000 }],
    ...[500, 502, 504].map(
      (status): Fault => [`${status}`, () => new Response('', { status }), 'status'],
    ),
  ]
  const refusals: Fault[] = [
    ...[408, 425, 429, 503].map(
      (status): Fault => [`${status}`, () => new Response('', { status }), 'status'],
    ),
    [
      '401 with a headers function',
      () => new Response('', { status: 401 }),
      'status',
      { headers: () => ({}) },
    ],
  ]

  /** The second attempt completes the stream that knows `until`; else the third ends it. */
  async function play(answer: Answer, options: EventsOptions): Promise<string[]> {
    const story: string[] = []
    const { fetch } = answering(
      answer,
      stream(['data: 2\n\ndata: [DONE]\n\n']),
      new Response(null, { status: 204 }),
    )
    const source = events('https://example.com/', {
      ...options,
      fetch(url, init) {
        story.push(`${init.method}`)
        return fetch(url, init)
      },
    })
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(60_000)
    await followed
    return story
  }

  const untilNoContent = (method: string) => [method, 'message:2', 'message:[DONE]', method, 'done']

  for (const method of ['POST', 'post', 'PUT', 'DELETE', 'REPORT']) {
    const unsafe = { method, until }
    const again = [method, 'message:2', 'done']

    for (const [name, answer, code, options] of faults) {
      // What the first attempt brought before its fault.
      const first = /truncation|mid-body|idle/.test(name) ? ['message:1'] : []

      test(`${method} without an ID is sent once: ${name}`, async () => {
        const story = await play(answer(), { ...unsafe, ...options })
        expect(story).toEqual([method, ...first, `throws:${code}`])
      })

      test(`${method} with a last event ID is sent again: ${name}`, async () => {
        const story = await play(answer(), { ...unsafe, ...options, lastEventId: '7' })
        expect(story).toEqual([method, ...first, ...again])
      })

      test(`${method} with retry passed is sent again: ${name}`, async () => {
        expect(await play(answer(), { ...unsafe, ...options, retry: {} })).toEqual([
          method,
          ...first,
          ...again,
        ])
        expect(await play(answer(), { ...unsafe, ...options, retry: () => 0 })).toEqual([
          method,
          ...first,
          ...again,
        ])
      })
    }

    for (const [name, answer, , options] of refusals) {
      test(`${method} without an ID is sent again, for the server refused it: ${name}`, async () => {
        expect(await play(answer(), { ...unsafe, ...options })).toEqual([method, ...again])
      })
    }

    test(`${method} completes at a clean end, ID or not`, async () => {
      expect(await play(stream([one]), { method })).toEqual([method, 'message:1', 'done'])
      expect(await play(stream([`id: 7\n${one}`]), { method, retry: {} })).toEqual([
        method,
        'message:1',
        'done',
      ])
    })

    test(`${method} with an ID that came on this very connection is sent again`, async () => {
      const cut = stream([`id: 7\n${one}`], new TypeError('terminated'))
      expect(await play(cut, unsafe)).toEqual([method, 'message:1', ...again])
    })

    test(`${method} reconnects at a clean end where onEnd says so`, async () => {
      const story = await play(stream([one]), { method, onEnd: 'reconnect' })
      expect(story).toEqual([method, 'message:1', ...untilNoContent(method)])
    })
  }

  for (const method of ['GET', 'get', 'OPTIONS']) {
    for (const [name, answer, , options] of [...faults, ...refusals]) {
      test(`${method} is sent again: ${name}`, async () => {
        const story = await play(answer(), { method, until, ...options })
        expect(story.filter((line) => line !== 'message:1')).toEqual([
          method,
          method,
          'message:2',
          'done',
        ])
      })
    }

    test(`${method} reconnects at a clean end, and completes where onEnd says so`, async () => {
      expect(await play(stream([one]), { method })).toEqual([
        method,
        'message:1',
        ...untilNoContent(method),
      ])
      expect(await play(stream([one]), { method, onEnd: 'complete' })).toEqual([
        method,
        'message:1',
        'done',
      ])
    })
  }

  test.each(['GET', 'POST'])(
    '%s is sent once with retry: false, whatever happens',
    async (method) => {
      for (const [name, answer, code, options] of faults) {
        const story = await play(answer(), {
          method,
          until,
          lastEventId: '7',
          ...options,
          retry: false,
        })
        expect([name, ...story.filter((line) => line !== 'message:1')]).toEqual([
          name,
          method,
          `throws:${code}`,
        ])
      }
    },
  )
})
