import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { LiveEvents } from '../../src/bindings/live-events'
import { EventSource } from '../../src/faces/event-source'
import { events } from '../../src/faces/events'
import { fetchEventSource } from '../../src/faces/fetch-event-source'
import { EventStreamParser } from '../../src/parser/parser'
import { readEvents } from '../../src/parser/read'
import { dedupe } from '../../src/parts/dedupe'
import { validated } from '../../src/parts/validated'
import { whenVisible } from '../../src/parts/when-visible'
import { failureOf } from '../support/play'
import { stream } from '../support/response'

const FEED = 'https://example.com/feed'
const SECRET = 's3cret'

/** What TypeScript would not let through. */
// biome-ignore lint/suspicious/noExplicitAny: the callers of these tables have no types
type Untyped = any
type Row = [name: string, input: Untyped, options: Untyped, error: Error]

const fetched = vi.fn(async (): Promise<Response> => stream(['data: 1\n\n']))

beforeEach(() => {
  fetched.mockClear()
  vi.stubGlobal('fetch', fetched)
})
afterEach(() => {
  expect(fetched).not.toHaveBeenCalled()
  vi.unstubAllGlobals()
})

/** The error, its message and its causes: what a log would hold. */
function log(error: unknown): string {
  return error instanceof Error ? `${error.stack} ${log(error.cause)}` : String(error)
}

function thrownBy(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('Expected a throw')
}

const type = (message: string) => new TypeError(message)
const range = (message: string) => new RangeError(message)
const circular: { self?: unknown } = {}
circular.self = circular

const LATIN = 'Expected header "X-A" in Latin-1 without line breaks, got another'
const CREDENTIALS = 'Expected a URL without user name and password. Use an Authorization header'
const NO_BODY = (method: string) => `Expected no body with ${method}, got one. Use method: 'POST'`
const PROMISE = (name: string) =>
  `Expected ${name} or a function, got a promise. Use ${name}: async () => …, which is called for each attempt`

describe('events() refuses at once', () => {
  const functions = [
    'accept',
    'cursor',
    'decode',
    'fetch',
    'gate',
    'onComment',
    'onOpen',
    'onReconnect',
    'skip',
  ].flatMap((name): Row[] =>
    [SECRET, null, {}, 0, []].map((value) => {
      const got = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
      const error = type(`Expected ${name} to be a function, got ${got}`)
      return [`${name}: ${got}`, FEED, { [name]: value }, error]
    }),
  )
  const deadlines = ['connectTimeout', 'idleTimeout'].flatMap((name): Row[] => [
    [name, FEED, { [name]: '5' }, type(`Expected ${name} to be a number, got string`)],
    [name, FEED, { [name]: null }, type(`Expected ${name} to be a number, got null`)],
    [name, FEED, { [name]: 0 }, range(`Expected ${name} > 0, got 0`)],
    [name, FEED, { [name]: -5 }, range(`Expected ${name} > 0, got -5`)],
    [name, FEED, { [name]: Number.NaN }, range(`Expected ${name} > 0, got NaN`)],
    [name, FEED, { [name]: Infinity }, range(`Expected ${name} to be finite, got Infinity`)],
  ])
  const times = ['delay', 'maxDelay', 'factor', 'resetAfter'].flatMap((member): Row[] => {
    const name = `retry.${member}`
    const row = (value: unknown, error: Error): Row => [
      name,
      FEED,
      { retry: { [member]: value } },
      error,
    ]
    return [
      row('5', type(`Expected ${name} to be a number, got string`)),
      row(null, type(`Expected ${name} to be a number, got null`)),
      row(-1, range(`Expected ${name} >= 0, got -1`)),
      row(Number.NaN, range(`Expected ${name} >= 0, got NaN`)),
      row(Infinity, range(`Expected ${name} to be finite, got Infinity`)),
    ]
  })
  const counts: Row[] = [
    ['maxEventSize', FEED, { maxEventSize: 0 }, range('Expected maxEventSize > 0, got 0')],
    [
      'maxEventSize',
      FEED,
      { maxEventSize: 1.5 },
      range('Expected maxEventSize to be a whole number, got 1.5'),
    ],
    [
      'maxEventSize',
      FEED,
      { maxEventSize: '1' },
      type('Expected maxEventSize to be a number, got string'),
    ],
    [
      'retry.maxRetries',
      FEED,
      { retry: { maxRetries: -1 } },
      range('Expected retry.maxRetries >= 0, got -1'),
    ],
    [
      'retry.maxRetries',
      FEED,
      { retry: { maxRetries: 2.5 } },
      range('Expected retry.maxRetries to be a whole number, got 2.5'),
    ],
    [
      'retry.maxRetries',
      FEED,
      { retry: { maxRetries: '2' } },
      type('Expected retry.maxRetries to be a number, got string'),
    ],
    [
      'retry.jitter',
      FEED,
      { retry: { jitter: 50 } },
      range('Expected retry.jitter from 0 to 1, got 50'),
    ],
    [
      'retry.jitter',
      FEED,
      { retry: { jitter: -1 } },
      range('Expected retry.jitter from 0 to 1, got -1'),
    ],
    [
      'retry.jitter',
      FEED,
      { retry: { jitter: true } },
      type('Expected retry.jitter to be a number, got boolean'),
    ],
  ]
  const RETRY = 'Expected retry to be an object, a function or false, got'
  const UNTIL = 'Expected until to be a string, { type } or a function, got'
  const STATUSES = 'Expected authStatuses to be an array of statuses, got'
  const words: Row[] = [
    ['retry: true', FEED, { retry: true }, type(`${RETRY} boolean`)],
    ['retry: 3', FEED, { retry: 3 }, type(`${RETRY} number`)],
    ['retry: null', FEED, { retry: null }, type(`${RETRY} null`)],
    ['retry: a list', FEED, { retry: [] }, type(`${RETRY} array`)],
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
    ['method: 7', FEED, { method: 7 }, type('Expected method to be a string, got number')],
    ['until: a RegExp', FEED, { until: /x/ }, type(`${UNTIL} RegExp`)],
    ['until: true', FEED, { until: true }, type(`${UNTIL} boolean`)],
    ['until: a type that is none', FEED, { until: { type: 1 } }, type(`${UNTIL} object`)],
    [
      'onEnd',
      FEED,
      { onEnd: 'stop' },
      type("Expected onEnd to be 'reconnect' or 'complete', got 'stop'"),
    ],
    [
      'onEnd',
      FEED,
      { onEnd: 5 },
      type("Expected onEnd to be 'reconnect' or 'complete', got number"),
    ],
    [
      'incomplete',
      FEED,
      { incomplete: 'keep' },
      type("Expected incomplete to be 'drop' or 'deliver', got 'keep'"),
    ],
    [
      'resume',
      FEED,
      { resume: true },
      type("Expected resume to be a function or 'same', got boolean"),
    ],
    [
      'resume',
      FEED,
      { resume: SECRET },
      type("Expected resume to be a function or 'same', got string"),
    ],
    ['store', FEED, { store: SECRET }, type('Expected store to have get() and set(), got string')],
    [
      'store',
      FEED,
      { store: { get() {} } },
      type('Expected store to have get() and set(), got object'),
    ],
    ['authStatuses', FEED, { authStatuses: 403 }, type(`${STATUSES} number`)],
    ['authStatuses', FEED, { authStatuses: ['403'] }, type(`${STATUSES} array`)],
    [
      'signal: a controller',
      FEED,
      { signal: new AbortController() },
      type('Expected signal to be an AbortSignal, got object. Pass its signal'),
    ],
    [
      'signal: a string',
      FEED,
      { signal: SECRET },
      type('Expected signal to be an AbortSignal, got string'),
    ],
    [
      "onEnd: 'reconnect' for what must not be repeated",
      FEED,
      { json: 1, onEnd: 'reconnect' },
      type(
        "Expected resume beside onEnd: 'reconnect' for POST, got none. Use resume: 'same' where the request may be repeated",
      ),
    ],
  ]
  const ABSOLUTE = type('Expected a valid absolute URL')
  const inputs: Row[] = [
    ['a relative URL without a base', '/feed', {}, ABSOLUTE],
    ['an empty URL without a base', '', {}, ABSOLUTE],
    ['no URL', undefined, {}, type('Expected a URL, got undefined')],
    ['null for a URL', null, {}, type('Expected a URL, got null')],
    ['a number for a URL', 42, {}, type('Expected a URL, got number')],
    ['a list for a URL', [FEED], {}, type('Expected a URL, got array')],
    ['a promise for a URL', Promise.resolve(FEED), {}, type('Expected a URL, got promise')],
    [
      'a Request',
      new Request(FEED),
      {},
      type('Expected a URL, got a Request. Take it apart: events(...fromRequest(request))'),
    ],
    [
      'a Response',
      new Response(),
      {},
      type(
        'Expected a URL, got a Response. Read its events by readEvents(response) of tidings/parser',
      ),
    ],
    ['a URL that cannot be parsed', `https://exa mple/${SECRET}`, {}, ABSOLUTE],
    ['a port that is none', `https://example.com:99999/${SECRET}`, {}, ABSOLUTE],
    [
      'a bad URL, though a fetch of the caller may know more',
      `https://${SECRET}@:1`,
      { fetch: fetched },
      ABSOLUTE,
    ],
    [
      'a host without a scheme, for a fetch of the caller',
      `//${SECRET}@example.com`,
      { fetch: fetched },
      ABSOLUTE,
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
  ]
  const bodies: Row[] = [
    ['a body with GET', FEED, { method: 'GET', body: SECRET }, type(NO_BODY('GET'))],
    ['a body with HEAD', FEED, { method: 'HEAD', body: SECRET }, type(NO_BODY('HEAD'))],
    ['a body with get', FEED, { method: 'get', body: SECRET }, type(NO_BODY('get'))],
    ['an empty body with GET', FEED, { method: 'GET', body: '' }, type(NO_BODY('GET'))],
    ['a body function with GET', FEED, { method: 'GET', body: () => SECRET }, type(NO_BODY('GET'))],
    ['json with GET', FEED, { method: 'GET', json: SECRET }, type(NO_BODY('GET'))],
    [
      'body and json',
      FEED,
      { body: SECRET, json: SECRET },
      type('Expected body or json, got both'),
    ],
    [
      'a body stream and json',
      FEED,
      { body: new Blob([SECRET]).stream(), json: null },
      type('Expected body or json, got both'),
    ],
    [
      'a body function and a json function',
      FEED,
      { body: () => '', json: () => '' },
      type('Expected body or json, got both'),
    ],
    [
      'an object for a body',
      FEED,
      { body: { prompt: SECRET } },
      type('Expected a body that fetch can send, got object. Use json to send a value as JSON'),
    ],
    [
      'a list for a body',
      FEED,
      { body: [SECRET] },
      type('Expected a body that fetch can send, got array. Use json to send a value as JSON'),
    ],
    ['a promise for a body', FEED, { body: Promise.resolve(SECRET) }, type(PROMISE('body'))],
    ['a promise for json', FEED, { json: Promise.resolve(SECRET) }, type(PROMISE('json'))],
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
  ]
  const headers: Row[] = [
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
    [
      'a promise for headers',
      FEED,
      { headers: Promise.resolve({ a: SECRET }) },
      type(PROMISE('headers')),
    ],
    [
      'a list of names',
      FEED,
      { headers: ['X-A'] },
      type('Expected headers of pairs [name, value], got string in them'),
    ],
    [
      'a promise for a header',
      FEED,
      { headers: { 'X-A': Promise.resolve(SECRET) } },
      type('Expected header "X-A" to be a string, got promise'),
    ],
    [
      'an object for a header',
      FEED,
      { headers: { 'X-A': { SECRET } } },
      type('Expected header "X-A" to be a string, got object'),
    ],
    ['a header value beyond Latin-1', FEED, { headers: { 'X-A': `${SECRET}…` } }, type(LATIN)],
    [
      'a header value with a line break',
      FEED,
      { headers: { 'X-A': `a\r\nX-B: ${SECRET}` } },
      type(LATIN),
    ],
    ['a header value with NUL', FEED, { headers: [['X-A', `${SECRET}\0`]] }, type(LATIN)],
    ['a header of a Map', FEED, { headers: new Map([['X-A', `${SECRET}…`]]) }, type(LATIN)],
    [
      'a header of an iterator',
      FEED,
      { headers: new Map([['X-A', `${SECRET}…`]]).entries() },
      type(LATIN),
    ],
    [
      'a header name that is none',
      FEED,
      { headers: { 'X A': SECRET } },
      type(LATIN.replace('X-A', 'X A')),
    ],
    ['an empty header name', FEED, { headers: { '': SECRET } }, type(LATIN.replace('X-A', ''))],
  ]

  test.each([
    ...functions,
    ...deadlines,
    ...times,
    ...counts,
    ...words,
    ...inputs,
    ...bodies,
    ...headers,
  ])('%s: %j, %j', (_, input, options, error) => {
    const thrown = thrownBy(() => events(input, options))
    expect(thrown).toEqual(error)
    expect(thrown.constructor).toBe(error.constructor)
    expect(log(thrown)).not.toContain(SECRET)
  })

  // The runtime's own words, which differ.
  test.each<[string, Untyped, RegExp]>([
    ['json that goes in circles', { json: circular }, /circular/i],
    ['json with a BigInt', { json: 1n }, /BigInt/],
    ['a method that is none', { method: 'GET /' }, /^Expected method as fetch takes it/],
    ['a forbidden method', { method: 'TRACE' }, /^Expected method as fetch takes it.*TRACE/],
    ['a mode that is none', { mode: 'open' }, /^Expected mode as fetch takes it/],
    ['credentials that are none', { credentials: true }, /^Expected credentials as fetch takes it/],
    ['a redirect that is none', { redirect: 'always' }, /^Expected redirect as fetch takes it/],
    [
      'a referrer that is none',
      { referrer: `https://[${SECRET}` },
      /^Expected referrer as fetch takes it, got another value$/,
    ],
  ])('%s', (_, options, message) => {
    const thrown = thrownBy(() => events(FEED, options))
    expect(thrown).toBeInstanceOf(TypeError)
    expect(thrown.message).toMatch(message)
    expect(log(thrown)).not.toContain(SECRET)
  })
})

test.each<Untyped>([
  {},
  { retry: { jitter: 0 } },
  { retry: { jitter: 1, maxRetries: 0, delay: 0, maxDelay: 0, factor: 0, resetAfter: 0 } },
  { retry: { maxRetries: Infinity } },
  { retry: false, resume: 'same', until: { type: 'done' }, incomplete: 'deliver' },
  { connectTimeout: 0.5, idleTimeout: () => undefined, maxEventSize: 1, authStatuses: [] },
  { maxEventSize: Infinity, decode: { decode: () => 1 }, store: { get() {}, set() {} } },
  { signal: null, body: null, headers: null, until: '' },
  { json: null },
  { json: 1, onEnd: 'reconnect', resume: 'same' },
  { headers: { a: null, b: undefined, c: 1 } },
  { headers: new Headers({ a: 'b' }) },
  { body: { of: 'a framework' }, method: 'POST', fetch: fetched },
  Object.fromEntries(
    ['decode', 'retry', 'until', 'gate', 'maxRetries'].map((name) => [name, undefined]),
  ),
])('events() takes what can work: %o', (options) => {
  expect(() => events(FEED, options)).not.toThrow()
  expect(() => events(new URL(FEED), options)).not.toThrow()
  expect(() => events(() => '', options)).not.toThrow()
})

test('an iterator of headers is still whole when they are sent', async () => {
  const sent = vi.fn(async (_url: string, _init: object) => new Response(null, { status: 204 }))
  const headers = new Map([['x-a', '1']]).entries()
  await events(FEED, { headers, fetch: sent })[Symbol.asyncIterator]().next()
  expect(sent.mock.calls[0]?.[1]).toMatchObject({ headers: { 'x-a': '1' } })
})

test('in a page, a URL that cannot be parsed need not be absolute', () => {
  vi.stubGlobal('location', { href: 'https://example.com/page' })
  expect(thrownBy(() => events('https://['))).toEqual(type('Expected a valid URL'))
})

describe('an unknown option', () => {
  test.each([
    ['maxRetries', 'retry.maxRetries'],
    ['maxretries', 'retry.maxRetries'],
    ['retries', 'retry.maxRetries'],
    ['maxAttempts', 'retry.maxRetries'],
    ['delay', 'retry.delay'],
    ['reconnectionTime', 'retry.delay'],
    ['maxDelay', 'retry.maxDelay'],
    ['dedupe', 'skip: dedupe(n)'],
    ['schema', 'decode: validated(schema)'],
    ['onInvalid', 'decode: validated(schema, { onInvalid })'],
    ['pauseWhenHidden', 'gate: whenVisible()'],
    ['openWhenHidden', 'gate: whenVisible()'],
    ['waitForOnline', 'gate'],
    ['idempotencyKey', "headers: { 'Idempotency-Key': key }"],
    ['heartbeatTimeout', 'idleTimeout'],
    ['onmessage', 'a for await loop'],
    ['onMessage', 'a for await loop'],
    ['onopen', 'onOpen'],
    ['onerror', 'onReconnect, or a catch around the for await loop'],
    ['withCredentials', "credentials: 'include'"],
    ['timeout', 'connectTimeout or idleTimeout'],
    ['methd', 'method'],
    ['mehtod', 'method'],
    ['Method', 'method'],
    ['header', 'headers'],
    ['haeders', 'headers'],
    ['lastEventID', 'lastEventId'],
    ['idleTimout', 'idleTimeout'],
    ['connectTimeoutMs', 'connectTimeout'],
    ['untill', 'until'],
    ['bdoy', 'body'],
    ['siganl', 'signal'],
    ['onreconnect', 'onReconnect'],
    ['resumes', 'resume'],
    ['decoder', 'decode'],
  ])('%s that is near to one of ours is refused by name', (name, meant) => {
    const thrown = thrownBy(() => events(FEED, { [name]: 1 }))
    expect(thrown).toEqual(type(`Unknown option ${name}: did you mean ${meant}?`))
  })

  test.each([
    ['maxretries', ': did you mean retry.maxRetries?'],
    ['retries', ': did you mean retry.maxRetries?'],
    ['dely', ': did you mean retry.delay?'],
    ['statuses', ': did you mean retry: (context) => …?'],
    ['anything', ''],
  ])('retry.%s is refused, since nobody else would take it', (name, meant) => {
    const thrown = thrownBy(() => events(FEED, { retry: { [name]: 1 } as never }))
    expect(thrown).toEqual(type(`Unknown option retry.${name}${meant}`))
  })

  test.each([
    'adAuctionHeaders',
    'agent',
    'attributionReporting',
    'baseURL',
    'browsingTopics',
    'cache',
    'cf',
    'client',
    'compress',
    'credentials',
    'decompress',
    'dispatcher',
    'duplex',
    'follow',
    'fetchPriority',
    'highWaterMark',
    'hooks',
    'integrity',
    'keepalive',
    'next',
    'onRequest',
    'params',
    'prefixUrl',
    'priority',
    'proxy',
    'query',
    'reactNative',
    'referrerPolicy',
    'responseType',
    'searchParams',
    'size',
    'targetAddressSpace',
    'timeout',
    'tls',
    'unix',
    'verbose',
  ])('%s goes to fetch', async (name) => {
    const sent = vi.fn(async (_url: string, _init: object) => new Response(null, { status: 204 }))
    const value = {
      cache: 'reload',
      credentials: 'omit',
      duplex: 'half',
      referrerPolicy: 'origin',
    }[name]
    const given = value ?? (name === 'integrity' ? '' : name === 'priority' ? 'low' : false)
    const options = { [name]: given, fetch: sent } as never
    await events(FEED, options)[Symbol.asyncIterator]().next()
    expect(sent.mock.calls[0]?.[1]).toHaveProperty(name, given)
  })
})

describe('the other APIs check the same options', () => {
  const live = (input: Untyped, options: Untyped) =>
    new LiveEvents('key', { input, options }, true).subscribe(() => {})
  const source = (input: Untyped, options: Untyped) => new EventSource(input, options)
  const read = (_input: Untyped, options: Untyped) => readEvents([], options)
  const parser = (_input: Untyped, options: Untyped) => new EventStreamParser(options)
  const rows: [string, (input: Untyped, options: Untyped) => unknown, Untyped, Untyped, Error][] = [
    ['EventSource', source, FEED, { idleTimeout: -1 }, range('Expected idleTimeout > 0, got -1')],
    [
      'EventSource',
      source,
      FEED,
      { retry: 3 },
      type('Expected retry to be an object, a function or false, got number'),
    ],
    [
      'EventSource',
      source,
      FEED,
      { headers: { 'X A': SECRET } },
      type(LATIN.replace('X-A', 'X A')),
    ],
    [
      'EventSource',
      source,
      FEED,
      { credentials: 'include' },
      type('Unknown option credentials: did you mean withCredentials?'),
    ],
    [
      'EventSource',
      source,
      FEED,
      { accept: () => true },
      type('Unknown option accept: did you mean events(url, { accept })?'),
    ],
    [
      'EventSource',
      source,
      FEED,
      { onmessage() {} },
      type("Unknown option onmessage: did you mean addEventListener('message', …)?"),
    ],
    [
      'EventSource',
      source,
      FEED,
      { sendURL: FEED },
      type('Unknown option sendURL: did you mean sendUrl?'),
    ],
    ['EventSource', source, FEED, { sendUrl: 7 }, type('Expected sendUrl, got number')],
    [
      'EventSource',
      source,
      new Request(FEED),
      {},
      type('Expected a URL, got a Request. Take it apart: events(...fromRequest(request))'),
    ],
    ['useEvents', live, FEED, { limit: -1 }, range('Expected limit >= 0, got -1')],
    [
      'useEvents',
      live,
      FEED,
      { limit: 1.5 },
      range('Expected limit to be a whole number, got 1.5'),
    ],
    [
      'useEvents',
      live,
      FEED,
      { reduce: SECRET },
      type('Expected reduce to be a function, got string'),
    ],
    [
      'useEvents',
      live,
      FEED,
      { onEvent: SECRET },
      type('Expected onEvent to be a function, got string'),
    ],
    [
      'useEvents',
      live,
      FEED,
      { immediate: 0 },
      type('Expected immediate to be a boolean, got number'),
    ],
    [
      'useEvents',
      live,
      FEED,
      { connectTimeout: Infinity },
      range('Expected connectTimeout to be finite, got Infinity'),
    ],
    ['useEvents', live, FEED, { headers: { 'X A': SECRET } }, type(LATIN.replace('X-A', 'X A'))],
    [
      'useEvents',
      live,
      FEED,
      { onMessage() {} },
      type('Unknown option onMessage: did you mean onEvent?'),
    ],
    [
      'useEvents',
      live,
      FEED,
      { enabled: false },
      type('Unknown option enabled: did you mean null for the URL?'),
    ],
    ['useEvents', live, `https://:${SECRET}@example.com`, {}, type(CREDENTIALS)],
    ['readEvents', read, '', { maxEventSize: 0 }, range('Expected maxEventSize > 0, got 0')],
    [
      'readEvents',
      read,
      '',
      { until: SECRET },
      type('Unknown option until: did you mean events(url, { until })?'),
    ],
    [
      'readEvents',
      read,
      '',
      { oncomment() {} },
      type('Unknown option oncomment: did you mean onComment?'),
    ],
    [
      'EventStreamParser',
      parser,
      '',
      { block: SECRET },
      type('Expected block to be a function, got string'),
    ],
    [
      'EventStreamParser',
      parser,
      '',
      { maxBufferSize: 9 },
      type('Unknown option maxBufferSize: did you mean maxEventSize?'),
    ],
    [
      'EventStreamParser',
      parser,
      '',
      { maxEventSize: 1.5 },
      range('Expected maxEventSize to be a whole number, got 1.5'),
    ],
    [
      'EventStreamParser',
      parser,
      '',
      { incomplete: 'keep' },
      type("Expected incomplete to be 'drop' or 'deliver', got 'keep'"),
    ],
    [
      'EventStreamParser',
      parser,
      '',
      { lastEventId: 7 },
      type('Expected lastEventId to be a string, got number'),
    ],
  ]
  test.each(rows)('%s', (_, run, input, options, error) => {
    const thrown = thrownBy(() => run(input, options))
    expect(thrown).toEqual(error)
    expect(thrown.constructor).toBe(error.constructor)
    expect(log(thrown)).not.toContain(SECRET)
  })

  test.each<[Untyped, Untyped, Error]>([
    [FEED, { maxEventSize: -1 }, range('Expected maxEventSize > 0, got -1')],
    [FEED, { onmessage: SECRET }, type('Expected onmessage to be a function, got string')],
    [FEED, { onMessage() {} }, type('Unknown option onMessage: did you mean onmessage?')],
    [FEED, { headers: { 'X A': SECRET } }, type(LATIN.replace('X-A', 'X A'))],
    [FEED, { method: 'GET', body: SECRET }, type(NO_BODY('GET'))],
    [
      FEED,
      { signal: new AbortController() },
      type('Expected signal to be an AbortSignal, got object. Pass its signal'),
    ],
    [`https://:${SECRET}@example.com`, {}, type(CREDENTIALS)],
    ['/feed', {}, type('Expected a valid absolute URL')],
  ])(
    'fetchEventSource rejects at once, without a word to onerror',
    async (input, options, error) => {
      const onerror = vi.fn()
      const thrown = await failureOf(fetchEventSource(input, { onerror, ...options }))
      expect(thrown).toEqual(error)
      expect(onerror).not.toHaveBeenCalled()
      expect(log(thrown)).not.toContain(SECRET)
    },
  )

  test('but a change of the import does for the users of fetchEventSource', async () => {
    const fetch = async () => stream([])
    const options = { retries: 3, timeout: 5, onmessage: null, onerror: null, fetch } as Untyped
    await expect(fetchEventSource(FEED, options)).resolves.toBeUndefined()
  })

  test('and whatever is a URL to the standard is one to EventSource', () => {
    const source = new EventSource({ toString: () => FEED } as never, {
      fetch: () => new Promise(() => {}),
      withCredentials: 'yes' as never,
    })
    source.close()
    expect(source.url).toBe(FEED)
  })
})

describe('the parts check theirs', () => {
  test.each<[string, () => unknown, Error]>([
    ['dedupe', () => dedupe(0), range('Expected the count of dedupe() > 0, got 0')],
    [
      'dedupe',
      () => dedupe(1.5),
      range('Expected the count of dedupe() to be a whole number, got 1.5'),
    ],
    [
      'dedupe',
      () => dedupe(undefined as never),
      type('Expected the count of dedupe() to be a number, got null'),
    ],
    ['whenVisible', () => whenVisible({ after: -1 }), range('Expected after >= 0, got -1')],
    [
      'whenVisible',
      () => whenVisible({ after: Number.POSITIVE_INFINITY }),
      range('Expected after to be finite, got Infinity'),
    ],
    [
      'validated',
      () => validated({ a: SECRET } as never),
      type('Expected validated() to get a Standard Schema or a map of them, got another value'),
    ],
    [
      'validated',
      () => validated({}, { onInvalid: 'drop' as never }),
      type("Expected onInvalid to be 'throw' or 'skip', got 'drop'"),
    ],
  ])('%s', (_, run, error) => {
    expect(thrownBy(run)).toEqual(error)
  })
})

describe('what a function makes is refused before its request, for good', () => {
  const ABSOLUTE = type('Expected a valid absolute URL')
  const rows: Row[] = [
    ['a relative URL without a base', () => '/feed', {}, ABSOLUTE],
    ['no URL', () => undefined, {}, type('Expected a URL, got undefined')],
    [
      'a Request',
      () => new Request(FEED),
      {},
      type('Expected a URL, got a Request. Take it apart: events(...fromRequest(request))'),
    ],
    ['a URL that cannot be parsed', async () => `https://${SECRET}:x`, {}, ABSOLUTE],
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
      'a promise for a header',
      FEED,
      { headers: () => ({ 'X-A': Promise.resolve(SECRET) }) },
      type('Expected header "X-A" to be a string, got promise'),
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
    const retry = vi.fn(() => 0)
    const thrown = await failureOf(
      events(input, { ...options, retry })
        [Symbol.asyncIterator]()
        .next(),
    )
    expect(thrown).toEqual(error)
    expect(thrown.constructor).toBe(error.constructor)
    expect(log(thrown)).not.toContain(SECRET)
    expect(retry).not.toHaveBeenCalled()
  })

  test.each<[string, Untyped, RegExp]>([
    ['json that goes in circles', { json: () => circular }, /circular/i],
    ['json with a BigInt', { json: async () => ({ a: 1n }) }, /BigInt/],
  ])('%s', async (_, options, message) => {
    const thrown = await failureOf(events(FEED, options)[Symbol.asyncIterator]().next())
    expect(thrown).toBeInstanceOf(TypeError)
    expect(thrown.message).toMatch(message)
  })

  test.each(['a string', 7, { status: 200 }])('%j from a policy', async (answer) => {
    const fetch = vi.fn(() => Promise.reject(new TypeError('fetch failed')))
    const retry = () => (typeof answer === 'number' ? -answer : answer) as never
    const thrown = await failureOf(events(FEED, { fetch, retry })[Symbol.asyncIterator]().next())
    expect(thrown).toBeInstanceOf(TypeError)
    expect(thrown.message).toMatch(/^Expected retry to return milliseconds or false, got/)
    expect(fetch).toHaveBeenCalledTimes(1)
  })
})
