import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { answering, follow } from '../support/fetch'
import { failureOf, reset, status } from '../support/play'
import { production } from '../support/production'
import { live, stream } from '../support/response'

const { faces, files, text } = await production()
const { bearer, events, EventSource, EventStreamParser, fetchEventSource } = faces

const FEED = 'https://example.com/feed'
const SECRET = 's3cret'

/** What TypeScript would not let through. */
// biome-ignore lint/suspicious/noExplicitAny: the callers of these tables have no types
type Untyped = any

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** The error, its message and its causes: what a log would hold. */
function log(error: unknown): string {
  return error instanceof Error ? `${error.message} ${log(error.cause)}` : String(error)
}

test('nothing of the development build is left', () => {
  expect(files.filter((file) => file.includes('development'))).toEqual([])
  expect(text).not.toMatch(/did you mean|console\.|NODE_ENV|`tidings:/)
})

describe('what can never be sent is final, before any request, and its address stays quiet', () => {
  const circular: { self?: unknown } = {}
  circular.self = circular
  const rows: [string, Untyped, Untyped][] = [
    ['a relative URL without a base', `/feed?${SECRET}`, {}],
    ['no URL', undefined, {}],
    ['a URL that cannot be parsed', `https://exa mple/${SECRET}`, {}],
    ['an unsupported scheme', `ftp://example.com/${SECRET}`, {}],
    ['a user name in the URL', `https://${SECRET}@example.com/`, {}],
    ['a function that makes no URL', () => `https://${SECRET}:x`, {}],
    ['a function that makes a password', async () => `https://:${SECRET}@example.com`, {}],
    ['a header value beyond Latin-1', FEED, { headers: { 'X-A': `${SECRET}…` } }],
    ['a header value with a line break', FEED, { headers: [['X-A', `${SECRET}\r\nX-B: 1`]] }],
    ['a header name that is none', FEED, { headers: { 'X A': SECRET } }],
    ['a header of a function', FEED, { headers: async () => ({ 'X-A': `${SECRET}…` }) }],
    ['a body with GET', FEED, { method: 'GET', body: SECRET }],
    ['an empty body with HEAD', FEED, { method: 'HEAD', body: '' }],
    ['json with GET', FEED, { method: 'GET', json: SECRET }],
    ['a symbol for json', FEED, { json: Symbol(SECRET) }],
    ['json that goes in circles', FEED, { json: circular }],
    ['json of a function', FEED, { json: () => undefined }],
    ['a method that is none', FEED, { method: 'GET /' }],
    ['a forbidden method', FEED, { method: 'TRACE' }],
    ['a mode that is none', FEED, { mode: 'open' }],
    ['a referrer that is none', FEED, { referrer: `https://[${SECRET}` }],
  ]

  test.each(rows)('events: %s', async (_, input, options) => {
    const { fetch, requests } = answering(stream(['data: 1\n\n']))
    vi.stubGlobal('fetch', fetch)
    const retry = vi.fn(() => 0)
    const source = events(input, { ...options, retry })
    const thrown = await failureOf(source[Symbol.asyncIterator]().next())
    expect(thrown).toBeInstanceOf(TypeError)
    expect(log(thrown)).not.toContain(SECRET)
    expect([source.status, requests.length]).toEqual(['closed', 0])
    expect(retry).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each(
    rows.filter(([, input, { json }]) => typeof input !== 'function' && json === undefined),
  )('fetchEventSource: %s', async (_, input, options) => {
    const { fetch, requests } = answering(stream(['data: 1\n\n']))
    vi.stubGlobal('fetch', fetch)
    const onerror = vi.fn(() => 0)
    const thrown = await failureOf(fetchEventSource(input, { ...options, onerror }))
    expect(thrown).toBeInstanceOf(TypeError)
    expect(log(thrown)).not.toContain(SECRET)
    expect(requests.length).toBe(0)
    expect(onerror).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each([
    ['an unsupported scheme', `ftp://example.com/${SECRET}`, {}],
    ['a header value beyond Latin-1', FEED, { headers: { 'X-A': `${SECRET}…` } }],
    ['a body with GET', FEED, { method: 'GET', body: SECRET }],
    ['a mode that is none', FEED, { mode: 'open' }],
  ])('EventSource: %s', async (_, url, options: Untyped) => {
    const { fetch, requests } = answering(stream(['data: 1\n\n']))
    vi.stubGlobal('fetch', fetch)
    const source = new EventSource(url, options)
    const errors: unknown[] = []
    source.addEventListener('error', ({ error }) => errors.push(error))
    await vi.advanceTimersByTimeAsync(60_000)
    expect([source.readyState, requests.length, errors.length]).toEqual([2, 0, 1])
    expect(errors[0]).toBeInstanceOf(TypeError)
    expect(log(errors[0])).not.toContain(SECRET)
  })
})

describe('a time that is no finite number from 0 up counts as not given', () => {
  const NO_TIMES = [
    Number.NaN,
    -1,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    '5',
    null,
    {},
  ]

  test.each(
    [...NO_TIMES, 0].flatMap((time) => [
      ['connectTimeout', time],
      ['idleTimeout', time],
    ]),
  )('%s: %s is no deadline', async (name, time) => {
    const { response } = live()
    const answers = name === 'idleTimeout' ? [response] : []
    const { fetch, requests } = answering(...answers)
    const source = events(FEED, { [name as string]: time, fetch, retry: false } as Untyped)
    const next = source[Symbol.asyncIterator]().next()
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect([source.status, requests.length]).toEqual([answers[0] ? 'open' : 'connecting', 1])
    source.close()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  const policies: Untyped[] = [
    ...['delay', 'maxDelay', 'factor', 'jitter', 'maxRetries', 'resetAfter'].flatMap((name) =>
      NO_TIMES.map((time) => ({ [name]: time })),
    ),
    ...[...NO_TIMES, undefined].flatMap((answer) => [() => answer, async () => answer]),
    true,
    3,
    null,
    'always',
  ]
  test.each(policies.map((retry) => [retry]))('retry: %o is the default policy', async (retry) => {
    const { fetch, requests } = answering(...Array.from({ length: 100 }, reset))
    const source = events(FEED, { fetch, retry })
    const next = source[Symbol.asyncIterator]().next()
    // At 0, 1 and 3 s; jitter is at its least.
    await vi.advanceTimersByTimeAsync(6000)
    expect(requests.length).toBe(3)
    source.close()
    await next
  })
})

describe('misuse makes no hot loop, and breaks no promise', () => {
  test('retry: { delay: 0, factor: 0 } makes at most ten requests a second', async () => {
    const { fetch, requests } = answering(
      ...Array.from({ length: 1000 }, () => stream(['data: 1\n\n'])),
    )
    const source = events(FEED, { fetch, retry: { delay: 0, factor: 0, maxDelay: 0 } })
    const story: string[] = []
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(10_000)
    source.close()
    await followed
    expect(requests.length).toBeGreaterThan(50)
    expect(requests.length).toBeLessThanOrEqual(101)
  })

  test('a body stream that is to be sent twice is unrepeatable', async () => {
    const { fetch, requests } = answering(status(429), stream(['data: 1\n\n']))
    const body = new Blob([SECRET]).stream()
    const source = events(FEED, { fetch, body, method: 'POST', resume: 'same' })
    const failure = failureOf(source[Symbol.asyncIterator]().next())
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await failure).toMatchObject({ code: 'unrepeatable', cause: { status: 429 } })
    expect(requests.length).toBe(1)
  })

  test("onEnd: 'reconnect' does not repeat a POST", async () => {
    const { fetch, requests } = answering(stream(['data: 1\n\n']), stream(['data: 1\n\n']))
    const story: string[] = []
    const followed = follow(events(FEED, { fetch, json: 1, onEnd: 'reconnect' }), story)
    await vi.advanceTimersByTimeAsync(60_000)
    await followed
    expect([story, requests.length]).toEqual([['message:1', 'done'], 1])
  })

  test.each(['accept', 'cursor', 'decode', 'gate', 'onComment', 'onOpen', 'onReconnect', 'skip'])(
    '%s that is no function ends the stream, or never matters',
    async (name) => {
      const { fetch, requests } = answering(
        ...Array.from({ length: 100 }, () => stream([':\ndata: 1\n\n'])),
      )
      const story: string[] = []
      const source = events(FEED, { fetch, retry: { delay: 0 }, [name]: 7 } as Untyped)
      const followed = follow(source, story)
      await vi.advanceTimersByTimeAsync(60_000)
      await followed
      expect(story.at(-1)).toMatch(/^throws/)
      expect(requests.length).toBeLessThanOrEqual(1)
    },
  )

  test.each<Untyped>([undefined, null, SECRET, { token: SECRET }, { status: 200, headers: {} }])(
    'a fetch that gives %o ends the stream, and so does a body that is none',
    async (answer) => {
      const fetch = vi.fn(async () => answer)
      const source = events(FEED, { fetch, retry: { delay: 0 } })
      const failure = failureOf(source[Symbol.asyncIterator]().next())
      await vi.advanceTimersByTimeAsync(60_000)
      expect(await failure).toBeInstanceOf(TypeError)
      expect(log(await failure)).not.toContain(SECRET)
      expect(fetch).toHaveBeenCalledTimes(1)
    },
  )

  test('a size that is none does not lift the limit for whoever gives it', () => {
    const parser = new EventStreamParser({ maxEventSize: -1 })
    parser.feed('data: 1\n\n')
    expect(() => parser.next()).toThrow(expect.objectContaining({ code: 'too-large' }))
  })

  test('whatever is unknown goes to fetch', async () => {
    const { fetch, requests } = answering(status(204))
    await follow(events(FEED, { fetch, maxRetries: 3, untill: SECRET } as Untyped), [])
    expect(requests[0]).toMatchObject({ maxRetries: 3, untill: SECRET })
  })
})

test('an error without a response says the origin, too, and no more of the address', async () => {
  const failing = async (options: Untyped, answer: Response | Error | 'silence' = 'silence') => {
    const { fetch } = answering(answer)
    const source = events(`${FEED}?key=${SECRET}`, { fetch, retry: false, ...options })
    const failure = failureOf(source[Symbol.asyncIterator]().next())
    await vi.advanceTimersByTimeAsync(60_000)
    return (await failure).message
  }
  expect(await failing({}, reset())).toBe('network https://example.com')
  expect(await failing({ connectTimeout: 10 })).toBe('timeout https://example.com')
  const data = stream(['data: 1\n\n'])
  expect(await failing({ decode: JSON.parse.bind(null, '{') }, data)).toBe(
    'data https://example.com',
  )
})

test('nothing is said on the console', async () => {
  const said = vi.spyOn(console, 'warn')
  const { fetch } = answering(
    reset(),
    stream(['no field\nid: \x01\ndata: 1\n\n']),
    ...Array.from({ length: 9 }, reset),
  )
  const headers = vi.fn<() => Record<string, string>>(() => ({}))
  headers.mockImplementationOnce(() => {
    throw new TypeError(SECRET)
  })
  const source = events(FEED, { fetch, headers })
  const followed = follow(source, [])
  await vi.advanceTimersByTimeAsync(600_000)
  source.close()
  await followed
  expect(said).not.toHaveBeenCalled()
})

test('a fetch that is none is final', async () => {
  for (const given of [5, {}, undefined]) {
    vi.stubGlobal('fetch', undefined)
    const source = events(FEED, { fetch: given as Untyped })
    const thrown = await failureOf(source[Symbol.asyncIterator]().next())
    expect([thrown.name, source.status]).toEqual(['TypeError', 'closed'])
  }
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 0, '5'])(
  'bearer: %s is as good as no time',
  async (value) => {
    const refresh = () => new Promise<string>((resolve) => setTimeout(resolve, 29_000, 't'))
    const headers = bearer({ refresh, timeout: value as Untyped, leeway: value as Untyped })
    const { signal } = new AbortController()
    const made = headers({ error: undefined, signal })
    await vi.advanceTimersByTimeAsync(29_000)
    expect(await made).toEqual({ Authorization: 'Bearer t' })
  },
)
