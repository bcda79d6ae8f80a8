import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type EventsOptions, events } from '../src/events'
import type { EventsInput } from '../src/request'
import { answering, follow } from './support/fetch'
import { body, stream } from './support/response'

const FEED = 'https://example.com/feed'
const SECRET = 's3cret'

/** What TypeScript would not let through. */
// biome-ignore lint/suspicious/noExplicitAny: the callers of this table have no types
type Untyped = any
type Row = [name: string, input: Untyped, options: Untyped, error: Error]

const fetched = vi.fn(async (): Promise<Response> => stream(['data: 1\n\n']))

beforeEach(() => {
  fetched.mockClear()
  vi.stubGlobal('fetch', fetched)
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

/** The error, its message and its causes: what a log would hold. */
function log(error: unknown): string {
  return error instanceof Error ? `${error.stack} ${log(error.cause)}` : String(error)
}

const thrownBy = (input: EventsInput, options?: EventsOptions): Error => {
  try {
    events(input, options)
  } catch (error) {
    return error as Error
  }
  throw new Error('Expected events() to throw')
}

const firstOf = (input: EventsInput, options?: EventsOptions): Promise<Error> =>
  events(input, { retry: false, ...options })
    [Symbol.asyncIterator]()
    .next()
    .then(
      ({ value }) => Promise.reject(new Error(`Expected next() to reject, got ${value?.data}`)),
      (error) => error,
    )

const type = (message: string) => new TypeError(message)
const range = (message: string) => new RangeError(message)
const circular: { self?: unknown } = {}
circular.self = circular
const used = () => {
  const request = new Request(FEED, { method: 'POST', body: 'x' })
  request.text()
  return request
}
const LATIN = 'Expected header "X-A" in Latin-1 without line breaks, got another'
const CREDENTIALS = 'Expected a URL without user name and password. Use an Authorization header'
const USED = 'Expected an unread Request, got a used one'
const NO_BODY = (method: string) => `Expected no body with ${method}, got one. Use method: 'POST'`
const stringStream = new Blob([SECRET]).stream()

describe('options that can never work are refused at once', () => {
  const functions = ['decode', 'onOpen', 'onComment', 'onReconnect', 'fetch'].flatMap(
    (name): Row[] => [
      [
        `${name}: a string`,
        FEED,
        { [name]: SECRET },
        type(`Expected ${name} to be a function, got string`),
      ],
      [
        `${name}: null`,
        FEED,
        { [name]: null },
        type(`Expected ${name} to be a function, got null`),
      ],
      [
        `${name}: an object`,
        FEED,
        { [name]: {} },
        type(`Expected ${name} to be a function, got object`),
      ],
    ],
  )
  const timesAndSizes = ['connectTimeout', 'idleTimeout', 'maxEventSize'].flatMap((name): Row[] => [
    [
      `${name}: a string`,
      FEED,
      { [name]: '5' },
      type(`Expected ${name} to be a number, got string`),
    ],
    [`${name}: null`, FEED, { [name]: null }, type(`Expected ${name} to be a number, got null`)],
    [`${name}: 0`, FEED, { [name]: 0 }, range(`Expected ${name} > 0, got 0`)],
    [`${name}: -5`, FEED, { [name]: -5 }, range(`Expected ${name} > 0, got -5`)],
    [`${name}: NaN`, FEED, { [name]: Number.NaN }, range(`Expected ${name} > 0, got NaN`)],
  ])
  const retry = ['delay', 'maxDelay', 'factor', 'maxRetries', 'resetAfter'].flatMap(
    (name): Row[] => [
      [
        `retry.${name}: a string`,
        FEED,
        { retry: { [name]: '5' } },
        type(`Expected retry.${name} to be a number, got string`),
      ],
      [
        `retry.${name}: -1`,
        FEED,
        { retry: { [name]: -1 } },
        range(`Expected retry.${name} >= 0, got -1`),
      ],
      [
        `retry.${name}: NaN`,
        FEED,
        { retry: { [name]: Number.NaN } },
        range(`Expected retry.${name} >= 0, got NaN`),
      ],
    ],
  )

  const rows: Row[] = [
    ...functions,
    ...timesAndSizes,
    ...retry,
    [
      'retry.jitter: 50',
      FEED,
      { retry: { jitter: 50 } },
      range('Expected retry.jitter from 0 to 1, got 50'),
    ],
    [
      'retry.jitter: -1',
      FEED,
      { retry: { jitter: -1 } },
      range('Expected retry.jitter from 0 to 1, got -1'),
    ],
    [
      'retry.jitter: true',
      FEED,
      { retry: { jitter: true } },
      type('Expected retry.jitter to be a number, got boolean'),
    ],
    [
      'retry.statuses: 503',
      FEED,
      { retry: { statuses: 503 } },
      type('Expected retry.statuses to be an array, got number'),
    ],
    [
      'retry: true',
      FEED,
      { retry: true },
      type('Expected retry to be a function or object, got boolean'),
    ],
    ['retry: 3', FEED, { retry: 3 }, type('Expected retry to be a function or object, got number')],
    [
      'retry: null',
      FEED,
      { retry: null },
      type('Expected retry to be a function or object, got null'),
    ],
    ['dedupe: -1', FEED, { dedupe: -1 }, range('Expected dedupe >= 0, got -1')],
    ['dedupe: true', FEED, { dedupe: true }, type('Expected dedupe to be a number, got boolean')],
    [
      'lastEventId: 7',
      FEED,
      { lastEventId: 7 },
      type('Expected lastEventId to be a string, got number'),
    ],
    [
      'lastEventId: null',
      FEED,
      { lastEventId: null },
      type('Expected lastEventId to be a string, got null'),
    ],
    [
      'until: a RegExp',
      FEED,
      { until: /x/ },
      type('Expected until to be a string or function, got object'),
    ],
    [
      "onEnd: 'stop'",
      FEED,
      { onEnd: 'stop' },
      type("Expected onEnd to be 'reconnect' or 'complete', got stop"),
    ],
    ['onEnd: 5', FEED, { onEnd: 5 }, type("Expected onEnd to be 'reconnect' or 'complete', got 5")],
    [
      'signal: a controller',
      FEED,
      { signal: new AbortController() },
      type('Expected signal to be an AbortSignal, got object'),
    ],
    [
      'signal: a string',
      FEED,
      { signal: SECRET },
      type('Expected signal to be an AbortSignal, got string'),
    ],

    ['a relative URL without a base', '/feed', {}, type('Expected a valid absolute URL')],
    ['an empty URL without a base', '', {}, type('Expected a valid absolute URL')],
    ['no URL', undefined, {}, type('Expected a valid absolute URL')],
    ['null for a URL', null, {}, type('Expected a valid absolute URL')],
    ['a number for a URL', 42, {}, type('Expected a valid absolute URL')],
    [
      'a URL that cannot be parsed',
      `https://exa mple/${SECRET}`,
      {},
      type('Expected a valid absolute URL'),
    ],
    [
      'a port that is none',
      `https://example.com:99999/${SECRET}`,
      {},
      type('Expected a valid absolute URL'),
    ],
    [
      'a bad URL, though a fetch of the caller may know more',
      `https://${SECRET}@:1`,
      { fetch: fetched },
      type('Expected a valid absolute URL'),
    ],
    [
      'a host without a scheme, for a fetch of the caller',
      `//${SECRET}@example.com`,
      { fetch: fetched },
      type('Expected a valid absolute URL'),
    ],
    [
      'an unsupported scheme',
      `ftp://example.com/${SECRET}`,
      {},
      type('Expected an http or https URL, got ftp:'),
    ],
    ['a file', new URL(`file:///${SECRET}`), {}, type('Expected an http or https URL, got file:')],
    [
      'a scheme that runs code',
      `javascript:${SECRET}`,
      {},
      type('Expected an http or https URL, got javascript:'),
    ],
    [
      'a WebSocket',
      `wss://example.com/${SECRET}`,
      {},
      type('Expected an http or https URL, got wss:'),
    ],
    ['a user name in the URL', `https://${SECRET}@example.com/`, {}, type(CREDENTIALS)],
    ['a password in the URL', `https://:${SECRET}@example.com/`, {}, type(CREDENTIALS)],
    [
      'both, in a URL object',
      new URL(`https://${SECRET}:${SECRET}@example.com/`),
      {},
      type(CREDENTIALS),
    ],
    [
      'both, for a fetch of the caller',
      `https://${SECRET}:${SECRET}@example.com/`,
      { fetch: fetched },
      type(CREDENTIALS),
    ],
    ['a consumed Request', used(), {}, type(USED)],

    ['a body with GET', FEED, { method: 'GET', body: SECRET }, type(NO_BODY('GET'))],
    ['a body with HEAD', FEED, { method: 'HEAD', body: SECRET }, type(NO_BODY('HEAD'))],
    ['a body with get', FEED, { method: 'get', body: SECRET }, type(NO_BODY('get'))],
    ['an empty body with GET', FEED, { method: 'GET', body: '' }, type(NO_BODY('GET'))],
    ['a body function with GET', FEED, { method: 'GET', body: () => SECRET }, type(NO_BODY('GET'))],
    ['json with GET', FEED, { method: 'GET', json: SECRET }, type(NO_BODY('GET'))],
    ['a body with a GET Request', new Request(FEED), { body: SECRET }, type(NO_BODY('GET'))],
    [
      'body and json',
      FEED,
      { body: SECRET, json: SECRET },
      type('Expected body or json, got both'),
    ],
    [
      'a body stream and json',
      FEED,
      { body: stringStream, json: null },
      type('Expected body or json, got both'),
    ],
    [
      'a body function and a json function',
      FEED,
      { body: () => '', json: () => '' },
      type('Expected body or json, got both'),
    ],
    [
      'a symbol for json',
      FEED,
      { json: Symbol(SECRET) },
      type('Expected a JSON value, got symbol'),
    ],
    [
      'json that says it is nothing',
      FEED,
      { json: { toJSON() {} } },
      type('Expected a JSON value, got object'),
    ],

    [
      'a string for headers',
      FEED,
      { headers: `Authorization: ${SECRET}` },
      type('Expected headers to be a function or object, got string'),
    ],
    [
      'a number for headers',
      FEED,
      { headers: 7 },
      type('Expected headers to be a function or object, got number'),
    ],
    ['a header value beyond Latin-1', FEED, { headers: { 'X-A': `${SECRET}…` } }, type(LATIN)],
    [
      'a header value with a line break',
      FEED,
      { headers: { 'X-A': `a\r\nX-B: ${SECRET}` } },
      type(LATIN),
    ],
    ['a header value with NUL', FEED, { headers: [['X-A', `${SECRET}\0`]] }, type(LATIN)],
    [
      'a header name that is none',
      FEED,
      { headers: { 'X A': SECRET } },
      type(LATIN.replace('X-A', 'X A')),
    ],
    ['an empty header name', FEED, { headers: { '': SECRET } }, type(LATIN.replace('X-A', ''))],
  ]

  test.each(rows)('%s', (_, input, options, error) => {
    const thrown = thrownBy(input, options)
    expect(thrown).toEqual(error)
    expect(thrown.constructor).toBe(error.constructor)
    expect(log(thrown)).not.toContain(SECRET)
    expect(fetched).not.toHaveBeenCalled()
  })

  // The runtime's own words, which differ; ours would say no more.
  test.each<[string, Untyped, RegExp]>([
    ['json that goes in circles', { json: circular }, /circular/i],
    ['json with a BigInt', { json: 1n }, /BigInt/],
    ['a method that is none', { method: 'GET /' }, /method/],
    ['a forbidden method', { method: 'TRACE' }, /TRACE/],
    ['a mode that is none', { mode: 'open' }, /mode|open/],
    ['credentials that are none', { credentials: true }, /credentials|true/],
    ['a redirect that is none', { redirect: 'always' }, /redirect|always/],
    ['a referrer that is none', { referrer: 'https://[' }, /referrer|URL/i],
  ])('%s', (_, options, message) => {
    expect(() => events(FEED, options)).toThrow(TypeError)
    expect(() => events(FEED, options)).toThrow(message)
    expect(fetched).not.toHaveBeenCalled()
  })
})

test.each<EventsOptions>([
  { retry: { jitter: 0 } },
  { retry: { jitter: 1, maxRetries: 0, delay: 0, factor: 0, resetAfter: 0, statuses: [] } },
  { retry: { maxRetries: Number.POSITIVE_INFINITY, maxDelay: Number.POSITIVE_INFINITY } },
  { connectTimeout: 0.5, idleTimeout: Number.POSITIVE_INFINITY, maxEventSize: 1, dedupe: 0 },
  { signal: null, body: null, headers: null as never, until: '' },
])('the ends of the ranges are within them: %o', (options) => {
  expect(() => events(FEED, options)).not.toThrow()
})

test('in a page, a URL that cannot be parsed need not be absolute', () => {
  vi.stubGlobal('location', { href: 'https://example.com/page' })
  expect(thrownBy('https://[')).toEqual(type('Expected a valid URL'))
})

describe('what a function makes is refused before its request', () => {
  const rows: Row[] = [
    ['a relative URL without a base', () => '/feed', {}, type('Expected a valid absolute URL')],
    ['no URL', () => undefined, {}, type('Expected a valid absolute URL')],
    [
      'a URL that cannot be parsed',
      async () => `https://${SECRET}:x`,
      {},
      type('Expected a valid absolute URL'),
    ],
    [
      'an unsupported scheme',
      () => `ftp://example.com/${SECRET}`,
      {},
      type('Expected an http or https URL, got ftp:'),
    ],
    [
      'a password in the URL',
      async () => `https://me:${SECRET}@example.com`,
      {},
      type(CREDENTIALS),
    ],
    ['a consumed Request', () => used(), {}, type(USED)],
    [
      'a GET Request, beside a body',
      () => new Request(FEED),
      { body: SECRET },
      type(NO_BODY('GET')),
    ],
    ['a GET Request, beside json', () => new Request(FEED), { json: SECRET }, type(NO_BODY('GET'))],
    [
      'a header value beyond Latin-1',
      FEED,
      { headers: () => ({ 'X-A': `${SECRET}…` }) },
      type(LATIN),
    ],
    [
      'a header value with a line break',
      FEED,
      { headers: async () => [['X-A', `a\n${SECRET}`]] },
      type(LATIN),
    ],
    [
      'a string for headers',
      FEED,
      { headers: () => SECRET },
      type('Expected headers to be a function or object, got string'),
    ],
    ['no json', FEED, { json: () => undefined }, type('Expected a JSON value, got undefined')],
    [
      'a symbol for json',
      FEED,
      { json: async () => Symbol(SECRET) },
      type('Expected a JSON value, got symbol'),
    ],
  ]
  test.each(rows)('%s', async (_, input, options, error) => {
    const thrown = await firstOf(input, { ...options, retry: () => 0 })
    expect(thrown).toEqual(error)
    expect(thrown.constructor).toBe(error.constructor)
    expect(log(thrown)).not.toContain(SECRET)
    expect(fetched).not.toHaveBeenCalled()
  })

  test.each<[string, Untyped, RegExp]>([
    ['json that goes in circles', { json: () => circular }, /circular/i],
    ['json with a BigInt', { json: async () => ({ a: 1n }) }, /BigInt/],
  ])('%s', async (_, options, message) => {
    const thrown = await firstOf(FEED, options)
    expect(thrown).toBeInstanceOf(TypeError)
    expect(thrown.message).toMatch(message)
    expect(fetched).not.toHaveBeenCalled()
  })

  const failure = new Error('of the caller')
  const fails = () => Promise.reject(failure)
  test.each<[string, Untyped, Untyped]>([
    ['input', fails, {}],
    ['body', FEED, { body: fails }],
    ['json', FEED, { json: fails }],
  ])('an error of the %s function ends the stream, itself', async (_, input, options) => {
    expect(await firstOf(input, { ...options, retry: () => 0 })).toBe(failure)
    expect(fetched).not.toHaveBeenCalled()
  })
})

describe('a fetch that is unusable', () => {
  const BODY =
    'Expected a Response whose body is a ReadableStream, got none. Pass a fetch that streams'
  const eventStream = new Headers({ 'content-type': 'text/event-stream' })
  const rows: [string, unknown, string][] = [
    ['nothing', undefined, 'Expected fetch to return a Response, got undefined'],
    ['null', null, 'Expected fetch to return a Response, got object'],
    ['text', SECRET, 'Expected fetch to return a Response, got string'],
    ['parsed JSON', { token: SECRET }, 'Expected fetch to return a Response, got object'],
    [
      'headers as a record',
      { status: 200, headers: { 'content-type': 'text/event-stream' } },
      'Expected fetch to return a Response, got object',
    ],
    ['a body that is text', { status: 200, headers: eventStream, body: SECRET }, BODY],
    [
      'a body that is a Node stream',
      { status: 200, headers: eventStream, body: { on() {}, pipe() {} } },
      BODY,
    ],
    ['no word of a body', { status: 200, headers: eventStream }, BODY],
  ]
  test.each(rows)(
    'because it gives %s ends the stream without a retry',
    async (_, answer, message) => {
      const calls = vi.fn(async () => answer)
      const thrown = await firstOf(FEED, { fetch: calls as Untyped, retry: {} })
      expect(thrown).toEqual(type(message))
      expect(log(thrown)).not.toContain(SECRET)
      expect(calls).toHaveBeenCalledTimes(1)
    },
  )

  test('because it throws at once is a network error, as if it had rejected', async () => {
    const cause = new Error('of the caller')
    const fetch = () => {
      throw cause
    }
    expect(await firstOf(FEED, { fetch })).toMatchObject({ code: 'network', cause })
  })
})

describe('a response that is no event stream', () => {
  const answer = (text: string | null, contentType: string, status = 200) =>
    new Response(text, { status, headers: contentType ? { 'content-type': contentType } : {} })
  const rows: [string, () => Response, object][] = [
    [
      'a login page with status 200',
      () => answer('<h1>Log in</h1>', 'text/html; charset=utf-8'),
      {
        code: 'content-type',
        status: 200,
        body: '<h1>Log in</h1>',
        message:
          'Expected content-type text/event-stream, got text/html; charset=utf-8: a login page, or the wrong URL?',
      },
    ],
    [
      'JSON',
      () => answer('{"error":"no"}', 'application/json'),
      {
        code: 'content-type',
        body: '{"error":"no"}',
        message: 'Expected content-type text/event-stream, got application/json',
      },
    ],
    [
      'a type that only begins like it',
      () => answer('', 'text/event-streams'),
      {
        code: 'content-type',
        message: 'Expected content-type text/event-stream, got text/event-streams',
      },
    ],
    [
      'no type',
      () => answer(null, ''),
      { code: 'content-type', message: 'Expected content-type text/event-stream, got none' },
    ],
    [
      'an error page',
      () => new Response('gone', { status: 410, statusText: 'Gone' }),
      { code: 'status', status: 410, body: 'gone', message: 'Expected status 200, got 410 Gone' },
    ],
    [
      'an event stream with another status',
      () => answer('data: 1\n\n', 'text/event-stream', 201),
      { code: 'status', status: 201, message: 'Expected status 200, got 201' },
    ],
  ]
  test.each(rows)('but %s says what came, and is not retried', async (_, make, expected) => {
    const { fetch, requests } = answering(make())
    const thrown = await firstOf(`${FEED}?token=${SECRET}`, {
      fetch,
      headers: { Authorization: SECRET },
      retry: {},
    })
    expect(thrown).toMatchObject({ name: 'SseError', retriable: false, attempt: 1, ...expected })
    expect(log(thrown)).not.toContain(SECRET)
    expect(requests.length).toBe(1)
  })

  test.each(['TEXT/Event-Stream', 'text/event-stream;charset=utf-8', ' text/event-stream ; x=y'])(
    'is not one of the type %s',
    async (contentType) => {
      const { fetch } = answering(answer('data: 1\n\n', contentType))
      const story: string[] = []
      await follow(events(FEED, { fetch, onEnd: 'complete' }), story)
      expect(story).toEqual(['message:1', 'done'])
    },
  )
})

describe('a stream that is odd', () => {
  const story = async (options: EventsOptions, ...chunks: (string | Uint8Array)[]) => {
    const lines: string[] = []
    const { fetch } = answering(stream(chunks))
    await follow(events(FEED, { fetch, onEnd: 'complete', ...options }), lines)
    return lines
  }

  test('with no body at all, or an empty one, is a complete stream without events', async () => {
    const headers = { 'content-type': 'text/event-stream' }
    for (const empty of [null, '', body([])]) {
      const { fetch } = answering(new Response(empty, { headers }))
      const lines: string[] = []
      await follow(events(FEED, { fetch, onEnd: 'complete' }), lines)
      expect(lines).toEqual(['done'])
    }
  })

  test('with a line that never ends stops at the limit', async () => {
    let pulls = 0
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls++
          controller.enqueue(new Uint8Array(1024).fill(97))
        },
      },
      { highWaterMark: 0 },
    )
    const headers = { 'content-type': 'text/event-stream' }
    const { fetch, requests } = answering(new Response(endless, { headers }))
    const thrown = await firstOf(FEED, { fetch, retry: {}, maxEventSize: 10_000 })
    expect(thrown).toMatchObject({
      code: 'too-large',
      retriable: false,
      message:
        'Expected an event of at most 10000 characters, got more. Raise maxEventSize if the server is right',
    })
    expect([pulls, requests.length]).toEqual([10, 1])
  })

  test('with bytes that are no UTF-8 has replacement characters, and goes on', async () => {
    const broken = new Uint8Array(
      [...'data: '].map((c) => c.charCodeAt(0)).concat(0xff, 0xc3, 10, 10),
    )
    expect(await story({}, broken, 'data: 2\n\n')).toEqual([
      'message:\ufffd\ufffd',
      'message:2',
      'done',
    ])
  })

  test('with fields that nobody knows ignores them', async () => {
    expect(await story({}, 'foo: bar\ndata: 1\nnonsense\n\n{"a":1}\n\n')).toEqual([
      'message:1',
      'done',
    ])
  })
})
