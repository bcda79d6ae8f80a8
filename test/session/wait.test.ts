import { describe, expect, test, vi } from 'vitest'
import { follow } from '../support/fetch'
import {
  type AnyOptions,
  failureOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  settled,
  status,
  stop,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

const SECOND = 1000
const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 24 * HOUR
const failing = (count: number) => Array.from({ length: count }, reset)
const waitsOf = (story: string[]) =>
  story.filter((line) => line.startsWith('reconnect')).map((line) => Number(line.split(':')[2]))

describe('the wait grows', () => {
  test.each<[string, AnyOptions['retry'], number[]]>([
    ['from 1 s, twice as long each time, up to 30 s', {}, [1, 2, 4, 8, 16, 30, 30]],
    ['from delay', { delay: 500 }, [0.5, 1, 2, 4, 8, 16, 30]],
    ['by factor', { factor: 3 }, [1, 3, 9, 27, 30, 30, 30]],
    ['not at all', { factor: 1 }, [1, 1, 1, 1, 1, 1, 1]],
    ['up to maxDelay', { maxDelay: 3000 }, [1, 2, 3, 3, 3, 3, 3]],
    ['but never under its first', { delay: 5000, maxDelay: 3000 }, [5, 5, 5, 5, 5, 5, 5]],
    ['by nothing beyond all numbers', { factor: 1e308 }, [1, 30, 30, 30, 30, 30, 30]],
  ])('%s', async (_, retry, seconds) => {
    const run = await play(failing(8), { retry }, 3 * 60 * SECOND)
    await stop(run)
    expect(waitsOf(run.story).slice(0, 7)).toEqual(seconds.map((wait) => wait * SECOND))
  })

  test.each<[AnyOptions['retry'], number, number]>([
    [{}, 0.5, 1500],
    [{}, 0.999, 1999],
    [{ jitter: 0 }, 0.5, 1000],
    [{ jitter: 0.5 }, 0.5, 1250],
  ])('is spread upwards at random: %j at %d', async (retry, random, expected) => {
    vi.mocked(Math.random).mockReturnValue(random)
    const run = await play(failing(1), { retry })
    expect(waitsOf(run.story)).toEqual([expected])
    await stop(run)
  })

  test('one beyond what a timer can keep makes no hot loop', async () => {
    const run = await play([status(503), status(503)], { retry: () => 2 ** 31 + 5 }, 20 * DAY)
    expect(run.story.length).toBe(2)
    await stop(run)
  })
})

describe('maxRetries', () => {
  test('over it the last error is thrown, itself', async () => {
    const last = status(500)
    const { source, story } = prepare([reset(), status(503), last], { retry: { maxRetries: 2 } })
    const failed = failureOf(source[Symbol.asyncIterator]().next())
    await vi.advanceTimersByTimeAsync(3000)
    expect(await failed).toMatchObject({ code: 'status', status: 500, response: last, attempt: 3 })
    expect(story).toEqual([
      ...['fetch', 'reconnect:network:1000', 'fetch', 'reconnect:503:2000', 'fetch'],
    ])
  })

  test('over it a clean end completes the stream', async () => {
    const answers = [stream([]), stream([]), stream([])]
    expect((await storyOf(answers, { retry: { maxRetries: 2 } })).at(-1)).toBe('done')
  })

  test('0 and retry: false never try again', async () => {
    for (const retry of [{ maxRetries: 0 }, false] as const) {
      expect(await storyOf([reset()], { retry })).toEqual(['fetch', 'throws:network'])
      expect(await storyOf([stream(['data: 1\n\n'])], { retry })).toEqual([
        'fetch',
        'message:1',
        'done',
      ])
    }
  })
})

describe('the reconnection time', () => {
  test('is 1 s until retry changes it, and its jitter is the usual one', async () => {
    vi.mocked(Math.random).mockReturnValue(0.5)
    const run = await play([stream(['retry: 5000\n\n']), noContent()])
    expect(run.source.reconnectionTime).toBe(5000)
    expect(waitsOf(run.story)).toEqual([7500])
    await vi.advanceTimersByTimeAsync(7500)
    await run.followed
    expect(run.source.reconnectionTime).toBe(5000)
    expect(prepare([]).source.reconnectionTime).toBe(1000)
  })

  test('is a lower bound of delay, and grows from there', async () => {
    const run = await play(
      [stream(['retry: 5000\n\n']), ...failing(3)],
      { retry: { delay: 10 } },
      60_000,
    )
    await stop(run)
    expect(waitsOf(run.story).slice(0, 3)).toEqual([5000, 10_000, 20_000])
  })

  test('of a stream that is cut is heard as well', async () => {
    const run = await play([stream(['retry: 5000\n'], reset())])
    await stop(run)
    expect(waitsOf(run.story)).toEqual([5000])
  })
})

describe('Retry-After', () => {
  const at = (milliseconds: number) => new Date(milliseconds).toUTCString()
  const asked = async (headers: Record<string, string>, options?: AnyOptions) => {
    const run = await play([status(503, headers)], options)
    await stop(run)
    return waitsOf(run.story)[0]
  }

  test('in seconds is waited for', async () => {
    const run = await play([status(429, { 'retry-after': '120' }), noContent()], {}, 119_999)
    expect([run.source.status, ...run.story]).toEqual(['waiting', 'fetch', 'reconnect:429:120000'])
    await vi.advanceTimersByTimeAsync(1)
    await run.followed
    expect(run.story.slice(2)).toEqual(['fetch', 'done'])
  })

  test('as a date is judged by the Date of the answer: a clock that is wrong makes no difference', async () => {
    const server = Date.now() - HOUR
    const headers = { date: at(server), 'retry-after': at(server + 90_000) }
    expect(await asked(headers)).toBe(90_000)
  })

  test('as a date without one is judged by our own clock', async () => {
    vi.setSystemTime(Date.parse('2026-12-01T12:00:00Z'))
    expect(await asked({ 'retry-after': at(Date.now() + 90_000) })).toBe(90_000)
  })

  test('as a date that is past asks for nothing more', async () => {
    expect(await asked({ 'retry-after': at(Date.now() - HOUR) })).toBe(1000)
  })

  test.each(['soon', '', '-5', '1.5', '1 minute'])('%j is none', async (value) => {
    expect(await asked({ 'retry-after': value })).toBe(1000)
    // It does not invite a POST either.
    const run = await play([status(503, { 'retry-after': value })], { method: 'POST' })
    await run.followed
    expect(run.story).toEqual(['fetch', 'throws:status'])
  })

  test('retry-after-ms is exact, and wins', async () => {
    expect(await asked({ 'retry-after-ms': '2500', 'retry-after': '9' })).toBe(2500)
    expect(await asked({ 'retry-after-ms': '2500.5' })).toBe(2500.5)
    expect(await asked({ 'retry-after-ms': '20' })).toBe(1000)
    expect(await asked({ 'retry-after-ms': 'x', 'retry-after': '9' })).toBe(9000)
  })

  test('is spread upwards by a tenth, 30 s at most', async () => {
    vi.mocked(Math.random).mockReturnValue(1)
    expect(await asked({ 'retry-after': '100' })).toBe(110_000)
    expect(await asked({ 'retry-after': '7200' })).toBe(7_230_000)
  })

  test('shorter than the backoff changes nothing', async () => {
    expect(await asked({ 'retry-after': '1' }, { retry: { delay: 5000 } })).toBe(5000)
  })

  test('of an answer that was a stream is waited for, too', async () => {
    const answer = stream(['data: 1\n\n'])
    answer.headers.set('retry-after', '7')
    const run = await play([answer])
    await stop(run)
    expect(waitsOf(run.story)).toEqual([7000])
  })

  test('is a lower bound for options, and not for a policy: its number is the caller’s word', async () => {
    expect(await asked({ 'retry-after': '9' }, { retry: { maxDelay: 100 } })).toBe(9000)
    expect(await asked({ 'retry-after': '9' }, { retry: () => 5 })).toBe(5)
  })
})

describe('x-should-retry', () => {
  test('false ends every retry at once', async () => {
    for (const code of [503, 429, 408]) {
      expect(await storyOf([status(code, { 'x-should-retry': 'false' })])).toEqual([
        ...['fetch', 'throws:status'],
      ])
    }
  })

  test('true makes any refused status retriable', async () => {
    for (const code of [400, 403, 404, 501]) {
      const answers = [status(code, { 'x-should-retry': 'true' }), noContent()]
      expect(await storyOf(answers)).toEqual(['fetch', `reconnect:${code}:1000`, 'fetch', 'done'])
    }
  })

  test('true retries a 404 of a stream that was open as often as it is said', async () => {
    const strays = Array.from({ length: 7 }, () => status(404, { 'x-should-retry': 'true' }))
    expect((await storyOf([stream([]), ...strays, noContent()])).at(-1)).toBe('done')
  })

  test('true invites a POST, twice', async () => {
    const inviting = () => status(500, { 'x-should-retry': 'true' })
    const story = await storyOf([inviting(), inviting(), inviting(), noContent()], { json: {} })
    expect(story).toEqual([
      ...['fetch', 'reconnect:500:1000', 'fetch', 'reconnect:500:2000', 'fetch', 'throws:status'],
    ])
  })
})

describe('a wait that is too long', () => {
  const long = (seconds: number) => status(503, { 'retry-after': `${seconds}` })

  test('of a day or more ends the stream, with what was asked', async () => {
    const { source } = prepare([long(14 * 86_400)])
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({
      code: 'status',
      status: 503,
      retryAfter: 14 * DAY,
    })
  })

  test('of two hours is waited for by a GET, of a minute is not by a POST', async () => {
    const run = await play([long(7200), noContent()], {}, 7200 * SECOND)
    await run.followed
    expect(run.story).toEqual(['fetch', `reconnect:503:${2 * HOUR}`, 'fetch', 'done'])
    expect(await storyOf([long(60)], { json: {} })).toEqual(['fetch', 'throws:status'])
    expect(await storyOf([long(59), noContent()], { json: {} })).toEqual([
      ...['fetch', 'reconnect:503:59000', 'fetch', 'done'],
    ])
    expect((await storyOf([long(60), noContent()], { json: {}, resume: 'same' })).at(-1)).toBe(
      'done',
    )
  })

  test('is one of a day for a GET that only fail() repeats, of a minute for a POST', async () => {
    for (const [options, last] of [
      [{ until: '[DONE]' }, 'done'],
      [{ until: '[DONE]', json: {} }, 'throws:refused'],
    ] as const) {
      const answers = [stream(['retry: 60000\ndata: 1\n\n'], 'stall'), stream(['data: [DONE]\n\n'])]
      const run = await play(answers, options)
      run.source.fail('no')
      await vi.advanceTimersByTimeAsync(MINUTE)
      await run.followed
      expect(run.story.at(-1)).toBe(last)
    }
  })

  test('asked for by a retry field ends the stream: code refused where nothing failed', async () => {
    const { source, story } = prepare([stream([`retry: ${DAY}\n\n`])])
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({
      code: 'refused',
      retryAfter: DAY,
      retriable: false,
      attempt: 1,
    })
    expect(story).toEqual(['fetch'])
  })

  test('asked for by a retry field and met by a lost line is the error of that line', async () => {
    const { source } = prepare([stream(['retry: 9999999999\n\n'], reset())])
    expect(await failureOf(source[Symbol.asyncIterator]().next())).toMatchObject({
      code: 'network',
      retryAfter: 9_999_999_999,
    })
  })

  test('a policy is asked, with delay: false; its number is waited for', async () => {
    const seen: unknown[] = []
    const story = await storyOf([long(14 * 86_400), noContent()], {
      retry: ({ delay, backoff, error }) => {
        seen.push([delay, backoff, error?.retryAfter])
        return 5
      },
    })
    expect(seen).toEqual([[false, 14 * DAY, 14 * DAY]])
    expect(story).toEqual(['fetch', 'reconnect:503:5', 'fetch', 'done'])
  })
})

describe('no hot loop', () => {
  /** Requests within ten seconds, of a stream that gets this answer each time. */
  async function requestsIn(
    answer: (number: number) => Response | Error,
    options: AnyOptions,
    seconds = 10,
  ): Promise<number> {
    const answers = Array.from({ length: 2000 }, (_, number) => answer(number))
    const run = await play(answers, options, seconds * SECOND)
    await stop(run)
    return run.requests.length
  }
  const none = [
    { retry: { delay: 0 } },
    { retry: () => 0 },
    { retry: async () => 0 },
  ] as AnyOptions[]

  test.each(none)(
    'the first retry is at once, every further one after 100 ms: %o',
    async (options) => {
      const run = await play([...failing(3), noContent()], options)
      expect(run.story).toEqual(['fetch', 'reconnect:network:0', 'fetch', 'reconnect:network:100'])
      await vi.advanceTimersByTimeAsync(200)
      await run.followed
      expect(run.requests.length).toBe(4)
    },
  )

  test.each(none)('a dead server gets 10 requests a second at most: %o', async (options) => {
    expect(await requestsIn(reset, options)).toBeLessThanOrEqual(102)
  })

  test.each(none)(
    'a proxy that makes each cut look clean gets no more either: %o',
    async (options) => {
      const greeting = (id: number) => stream([`id: ${id}\ndata: hello\n\n`])
      expect(await requestsIn(greeting, options)).toBeLessThanOrEqual(102)
      expect(await requestsIn(() => stream([]), options)).toBeLessThanOrEqual(102)
      const asking = (id: number) => stream([`retry: 0\nid: ${id}\ndata: hello\n\n`])
      expect(await requestsIn(asking, {})).toBeLessThanOrEqual(102)
    },
  )

  test.each(none)('nor where it cuts events short, or until names an end: %o', async (options) => {
    const fresh = (id: number) => `id: ${id}\ndata: 1\n\nid: ${id}b\ndata: 2\n\n`
    const short = (id: number) => stream([`${fresh(id)}data: 3`])
    expect(await requestsIn(short, options)).toBeLessThanOrEqual(102)
    const whole = (id: number) => stream([fresh(id)])
    expect(await requestsIn(whole, { ...options, until: '[DONE]' })).toBeLessThanOrEqual(102)
  })

  test('the first retry after progress is at once', async () => {
    const body = live()
    const run = await play([body.response, stream(['data: 2\n\n'], 'stall')], {
      retry: { delay: 0 },
    })
    body.write('data: 1\n\n')
    await vi.advanceTimersByTimeAsync(5000)
    body.fail(reset())
    await settled()
    expect(run.story).toEqual(['fetch', 'message:1', 'reconnect:network:0', 'fetch', 'message:2'])
    await stop(run)
  })

  test('a clean end after a second of opening is answered at once, one before it is not', async () => {
    for (const [open, wait] of [
      [999, 100],
      [1000, 0],
    ] as const) {
      const body = live()
      const run = await play([body.response, 'silence'], { retry: { delay: 0 } })
      body.write('data: 1\n\n')
      await vi.advanceTimersByTimeAsync(open)
      body.end()
      await settled()
      expect(waitsOf(run.story)).toEqual([wait])
      await stop(run)
    }
  })
})

describe('a wait', () => {
  test('is told as it begins, and ended by nothing but its time', async () => {
    const { source, story } = prepare([reset(), noContent()])
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(999)
    expect([source.status, source.retryAt]).toEqual(['waiting', Date.now() + 1])
    await vi.advanceTimersByTimeAsync(1)
    await followed
    expect(story).toEqual(['fetch', 'reconnect:network:1000', 'fetch', 'done'])
  })
})
