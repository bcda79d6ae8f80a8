import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Lifetime } from '../../src/abort'
import { SseError } from '../../src/errors'
import { type EventsOptions, events } from '../../src/faces/events'
import {
  type Attempt,
  type EventsInput,
  type HeadersOption,
  isSafe,
  type OutgoingRequest,
  type RequestOptions,
  RequestPlan,
  type Resume,
  resumeHeader,
} from '../../src/transport/request'
import { type Answer, answering, follow } from '../support/fetch'
import { stream } from '../support/response'

const FEED = 'https://example.com/feed'

const life = new Lifetime()
const attempt = (rest: Partial<Attempt> = {}): Attempt => ({
  number: 1,
  lastEventId: '',
  cursor: '',
  first: undefined,
  error: undefined,
  sent: undefined,
  unauthorized: false,
  signal: life.signal,
  ...rest,
})
const make = async (plan: RequestPlan, rest?: Partial<Attempt>, resume?: Resume) =>
  (await plan._build(attempt(rest), life, resume)) as OutgoingRequest
const build = async (
  input: EventsInput,
  options: RequestOptions = {},
  rest?: Partial<Attempt>,
): Promise<OutgoingRequest> => make(new RequestPlan(input, options), rest)

/** What is sent, as text: the runtime knows best how it reads an init. */
async function wire({ url, init }: OutgoingRequest): Promise<string> {
  const request = new Request(url, init)
  const type = request.headers.get('content-type')
  return `${request.method} ${type ?? ''} ${await request.text()}`.trim()
}

describe('the URL', () => {
  const rows: [string, EventsInput, string][] = [
    ['a string', `${FEED}?a=b`, `${FEED}?a=b`],
    ['a URL', new URL(FEED), FEED],
    ['a function of the attempt', ({ number }) => `${FEED}/${number}`, `${FEED}/1`],
    ['a function that takes its time', async () => new URL(FEED), FEED],
  ]
  test.each(rows)('may be %s', async (_, input, url) => {
    expect((await build(input)).url).toBe(url)
  })

  test('of an absolute address is handed on as it was written', async () => {
    // The `URL` of React Native puts a slash behind it.
    vi.stubGlobal(
      'URL',
      class extends URL {
        override get href() {
          return `${super.href}/`
        }
      },
    )
    for (const url of [FEED, 'HTTPS://Example.com:443/a/../feed']) {
      expect((await build(url)).url).toBe(url)
      expect((await build(async () => url)).url).toBe(url)
    }
    vi.unstubAllGlobals()
  })

  test('of a function is made anew for each attempt, with all that is known', async () => {
    const attempts: Attempt[] = []
    const plan = new RequestPlan((given) => {
      attempts.push(given)
      return `${FEED}?after=${given.cursor}`
    }, {})
    const error = new SseError('network', '')
    const sent = new Headers()
    const given = [
      attempt(),
      attempt({ number: 2, lastEventId: '7', cursor: '7', error, sent, unauthorized: true }),
    ]
    const urls: string[] = []
    for (const each of given) urls.push((await make(plan, each)).url)
    expect(urls).toEqual([`${FEED}?after=`, `${FEED}?after=7`])
    expect(attempts).toEqual(given)
  })

  describe('relative to', () => {
    afterEach(() => {
      vi.unstubAllGlobals()
    })

    test('the base of the page', async () => {
      vi.stubGlobal('document', { baseURI: 'https://base.example/app/' })
      vi.stubGlobal('location', { href: 'https://example.com/' })
      expect((await build('feed')).url).toBe('https://base.example/app/feed')
      expect((await build('')).url).toBe('https://base.example/app/')
    })

    test('the URL of the worker', async () => {
      vi.stubGlobal('location', { href: 'https://example.com/worker.js' })
      expect((await build('feed')).url).toBe(FEED)
      expect((await build(() => '/feed')).url).toBe(FEED)
    })

    test('nothing stays as it is for a fetch of the caller, who may know', async () => {
      const fetch = async () => new Response()
      for (const path of ['/feed?at=12:30', 'feed', '?a=b', './feed']) {
        expect((await build(path, { fetch })).url).toBe(path)
      }
    })
  })

  test('may have another scheme for a fetch of the caller', async () => {
    const fetch = async () => new Response()
    expect((await build('app://local/feed', { fetch })).url).toBe('app://local/feed')
  })

  test.each(['data:text/event-stream,data:1', 'blob:https://example.com/1'])(
    'may be one that fetch itself knows: %s',
    async (url) => {
      expect((await build(url)).url).toBe(url)
    },
  )

  test.each(['http://[', '/feed', 'https://me:s3cret@example.com/', 'ftp://s3cret.example/'])(
    'of %s can never be asked for: a TypeError that does not show it',
    async (url) => {
      const failure = await build(url).catch((error) => error)
      expect(failure).toBeInstanceOf(TypeError)
      expect(`${failure.message}`).not.toMatch(/s3cret|\[|feed/)
    },
  )
})

describe('the headers', () => {
  const sent = async (...args: Parameters<typeof build>) =>
    Object.fromEntries((await build(...args)).init.headers)
  const accept = 'text/event-stream'

  const rows: [string, RequestOptions['headers'], Record<string, string>][] = [
    ['none', undefined, {}],
    ['a record', { 'X-A': '1' }, { 'x-a': '1' }],
    ['a record with one left out', { 'X-A': undefined, 'X-B': '1' }, { 'x-b': '1' }],
    [
      'pairs',
      [
        ['X-A', '1'],
        ['x-a', '2'],
      ],
      { 'x-a': '1, 2' },
    ],
    ['Headers', new Headers({ 'X-A': '1' }), { 'x-a': '1' }],
    ['a Map', new Map([['X-A', '1']]), { 'x-a': '1' }],
    ['a value that ends in a line break, as a file does', { 'X-A': 'token\n' }, { 'x-a': 'token' }],
    ['a function', () => ({ 'X-A': '1' }), { 'x-a': '1' }],
    ['a function that takes its time', async () => [['X-A', '1']], { 'x-a': '1' }],
    ['a function that makes none', () => undefined as never, {}],
    [
      'of any name, also one that every object has',
      { constructor: '1', toString: '2' } as unknown as HeadersOption,
      { constructor: '1', tostring: '2' },
    ],
  ]
  test.each(rows)('may be %s', async (_, headers, expected) => {
    expect(await sent(FEED, { headers })).toEqual({ accept, ...expected })
  })

  test('of an iterator, which can be read once, go with every attempt', async () => {
    const plan = new RequestPlan(FEED, { headers: new Map([['X-A', '1']]).entries() })
    for (const _ of [1, 2]) {
      expect((await make(plan)).init.headers.get('x-a')).toBe('1')
    }
  })

  const own: [string, HeadersOption, RequestOptions, Record<string, string>][] = [
    ['Accept', { Accept: 'text/event-stream, application/json' }, {}, {}],
    ['Content-Type', { 'Content-Type': 'application/problem+json' }, { json: 1 }, { accept }],
    ['Last-Event-ID, the place to begin', { 'Last-Event-ID': '3' }, {}, { accept }],
  ]
  for (const [name, headers, options, others] of own) {
    test(`of the caller’s own win over ours, static or of a function: ${name}`, async () => {
      const expected = Object.entries(headers as Record<string, string>).map(
        ([name, value]) => [name.toLowerCase(), value] as const,
      )
      for (const given of [headers, () => headers]) {
        expect(await sent(FEED, { headers: given, ...options })).toEqual({
          ...others,
          ...Object.fromEntries(expected),
        })
      }
    })
  }

  test('of a null leave out what would be sent without them', async () => {
    const headers = { ACCEPT: null, 'content-type': null, 'Last-Event-ID': null }
    for (const given of [headers, () => headers]) {
      expect(await sent(FEED, { headers: given, json: 1 }, { lastEventId: '7' })).toEqual({})
    }
  })

  test('have the place of the stream, over a static one and under that of a function', async () => {
    const headers = { 'last-event-id': '3' }
    const after = { lastEventId: '7' }
    expect(await sent(FEED, { headers }, after)).toMatchObject({ 'last-event-id': '7' })
    expect(await sent(FEED, { headers: () => headers }, after)).toMatchObject(headers)
  })

  test('are the caller’s own afterwards', async () => {
    const headers = new Headers({ 'x-a': '1' })
    await build(FEED, { headers, json: 1 }, { lastEventId: '7' })
    expect(Object.fromEntries(headers)).toEqual({ 'x-a': '1' })
  })

  test('that HTTP cannot carry are named, and their values kept quiet', async () => {
    const failure = await build(FEED, { headers: { 'X-Token': 's3\ncret' } }).catch((e) => e)
    expect(failure).toBeInstanceOf(TypeError)
    if (__DEV__) expect(failure.message).toContain('X-Token')
    expect(failure.message).not.toContain('cret')
  })
})

describe('the last event ID', () => {
  test.each([
    ['ASCII', '7', '7'],
    ['beyond ASCII, as UTF-8', 'ü…', '\xc3\xbc\xe2\x80\xa6'],
    ['a tab within', 'a\tb', 'a\tb'],
    ['8 KiB', 'x'.repeat(8192), 'x'.repeat(8192)],
    // Servers refuse headers of more.
    ['more than 8 KiB', 'x'.repeat(8193), ''],
    ['more than 8 KiB as UTF-8', 'ü'.repeat(4097), ''],
    ['a control character', 'a\u0001b', ''],
    ['a line break', 'a\nb', ''],
    ['blanks alone', '  ', ''],
    ['none', '', ''],
  ])('of %s', (_, id, header) => {
    expect(resumeHeader(id)).toBe(header)
  })

  test('that cannot be sent prevents no request', async () => {
    const { init } = await build(FEED, {}, { lastEventId: 'a\nb' })
    expect(init.headers.has('last-event-id')).toBe(false)
  })
})

describe('the method', () => {
  const rows: [string, EventsInput, RequestOptions, string][] = [
    ['nothing else', FEED, {}, 'GET'],
    ['a body', FEED, { body: 'x' }, 'POST text/plain;charset=UTF-8 x'],
    ['a body that is empty', FEED, { body: '' }, 'POST text/plain;charset=UTF-8'],
    ['no body', FEED, { body: null }, 'GET'],
    ['a body function', FEED, { body: () => 'x' }, 'POST text/plain;charset=UTF-8 x'],
    ['json', FEED, { json: { a: 1 } }, 'POST application/json {"a":1}'],
    ['a method', FEED, { method: 'DELETE' }, 'DELETE'],
    ['a method and a body', FEED, { method: 'PUT', body: 'x' }, 'PUT text/plain;charset=UTF-8 x'],
    ['a function that makes a URL, and json', () => FEED, { json: 1 }, 'POST application/json 1'],
  ]
  test.each(rows)('with %s', async (_, input, options, expected) => {
    expect(await wire(await build(input, options))).toBe(expected)
  })

  test.each([
    ['GET', true],
    ['HEAD', true],
    ['OPTIONS', true],
    // Issue 11.13: registered as safe (RFC 3253, 3.6; the QUERY method).
    ['REPORT', true],
    ['QUERY', true],
    ['get', true],
    ['query', true],
    ['POST', false],
    ['PUT', false],
    ['DELETE', false],
    ['FORGET', false],
  ])('%s: safe is %s', (method, safe) => {
    expect(isSafe(method)).toBe(safe)
  })
})

describe('the body', () => {
  const text = 'text/plain;charset=UTF-8'
  const bytes = new TextEncoder().encode('x')
  const rows: [string, RequestOptions['body'], string][] = [
    ['text', 'é', `POST ${text} é`],
    ['bytes', bytes, 'POST  x'],
    ['a buffer', bytes.buffer, 'POST  x'],
    ['a Blob', new Blob(['x'], { type: 'a/b' }), 'POST a/b x'],
    [
      'search parameters',
      new URLSearchParams({ a: '1' }),
      'POST application/x-www-form-urlencoded;charset=UTF-8 a=1',
    ],
    [
      'a function that takes its time',
      async ({ number }: Attempt) => `${number}`,
      `POST ${text} 1`,
    ],
    ['a function that makes none', () => undefined, 'POST'],
  ]
  test.each(rows)('may be %s, sent as often as it takes', async (_, body, expected) => {
    const plan = new RequestPlan(FEED, { body })
    expect(await wire(await make(plan))).toBe(expected)
    expect(await wire(await make(plan))).toBe(expected)
    expect((await make(plan)).init).not.toHaveProperty('duplex')
  })

  test('of a form is sent with its boundary', async () => {
    const form = new FormData()
    form.append('a', '1')
    const { url, init } = await build(FEED, { body: form })
    expect([...(await new Request(url, init).formData())]).toEqual([['a', '1']])
  })

  test.each<[string, () => unknown]>([
    ['a stream', () => new Blob(['x']).stream()],
    ['what can be iterated once', () => Readable.from(['x'])],
  ])('of %s is sent as one, and made anew by a function', async (_, makeBody) => {
    const outgoing = await build(FEED, { body: makeBody() })
    expect(outgoing.init).toHaveProperty('duplex', 'half')
    expect(outgoing._once).toBe(true)
    expect(await wire(outgoing)).toBe('POST  x')
    const plan = new RequestPlan(FEED, { body: makeBody })
    for (const _ of [1, 2]) {
      const again = await make(plan)
      expect(again.init).toHaveProperty('duplex', 'half')
      expect(again._once).toBe(false)
      expect(await wire(again)).toBe('POST  x')
    }
  })
})

describe('json', () => {
  test.each<[unknown, string]>([
    [{ a: [1, null] }, '{"a":[1,null]}'],
    ['text', '"text"'],
    [0, '0'],
    [false, 'false'],
    [null, 'null'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [({ number }: Attempt) => ({ number }), '{"number":1}'],
    [async () => null, 'null'],
  ])('of %o is sent as %s', async (json, body) => {
    const options = { json } as RequestOptions
    expect(await wire(await build(FEED, options))).toBe(`POST application/json ${body}`)
  })

  test('of what has no JSON is a TypeError', async () => {
    await expect(build(FEED, { json: Symbol('x') })).rejects.toThrow(TypeError)
  })
})

describe('a request that goes on', () => {
  const run = 'https://example.com/runs'
  const first = Object.defineProperty(new Response(), 'url', { value: `${run}/1?x=y` })
  const headers = { authorization: 'Bearer a', 'content-language': 'de' }
  const resumed = async (resume: Resume, rest: Partial<Attempt> = {}) => {
    const plan = new RequestPlan(run, { json: { question: 1 }, headers })
    await make(plan)
    const outgoing = await make(plan, { first, number: 2, ...rest }, resume)
    const { authorization, ...others } = Object.fromEntries(outgoing.init.headers)
    return [outgoing.url, authorization, others, await wire(outgoing)]
  }
  const accept = 'text/event-stream'

  const rows: [string, Resume, unknown[]][] = [
    ['text', () => '2', [`${run}/2`, 'Bearer a', { accept }, 'GET']],
    ['a query', () => '?after=7', [`${run}/1?after=7`, 'Bearer a', { accept }, 'GET']],
    ['a URL', async () => new URL(`${run}/3`), [`${run}/3`, 'Bearer a', { accept }, 'GET']],
    ['an object', () => ({ input: '2' }), [`${run}/2`, 'Bearer a', { accept }, 'GET']],
    [
      'an object with json',
      () => ({ input: '2', json: { after: 7 } }),
      [
        `${run}/2`,
        'Bearer a',
        { accept, 'content-language': 'de', 'content-type': 'application/json' },
        'POST application/json {"after":7}',
      ],
    ],
    [
      'an object with a body and a method',
      () => ({ input: '2', method: 'PUT', body: 'x' }),
      [
        `${run}/2`,
        'Bearer a',
        { accept, 'content-language': 'de' },
        'PUT text/plain;charset=UTF-8 x',
      ],
    ],
    [
      'an object with headers of its own, which may go anywhere',
      () => ({ input: 'https://other.example/', headers: { 'x-own': '1' } }),
      ['https://other.example/', undefined, { accept, 'x-own': '1' }, 'GET'],
    ],
  ]
  test.each(rows)('by %s', async (_, resume, expected) => {
    expect(await resumed(resume)).toEqual(expected)
  })

  test('has the last event ID, whatever makes it', async () => {
    const [, , headers] = await resumed(() => '2', { lastEventId: '7' })
    expect(headers).toEqual({ accept, 'last-event-id': '7' })
  })

  test.each(['https://other.example/', '//other.example/', 'http://example.com/', 'blob:x'])(
    'to another origin, %s, is refused: it must not see the headers',
    async (url) => {
      await expect(resumed(() => url)).rejects.toMatchObject({
        code: 'redirect',
        location: new URL(url, run).href,
      })
      await expect(resumed(() => ({ input: url }))).rejects.toMatchObject({ code: 'redirect' })
    },
  )

  test('is the first one until a response has been accepted', async () => {
    const [url, , , sent] = await resumed(() => '2', { first: undefined })
    expect([url, sent]).toEqual([run, 'POST application/json {"question":1}'])
  })

  test.each([undefined, null])('by %s is none', async (nothing) => {
    const plan = new RequestPlan(run, { json: 1 })
    expect(await plan._build(attempt({ first }), life, () => nothing)).toBe(undefined)
  })
})

describe('what else is passed to fetch', () => {
  const keys = async (...args: Parameters<typeof build>) => {
    const { method, headers, body, signal, ...rest } = (await build(...args)).init
    expect([method, headers, signal]).toEqual([
      expect.any(String),
      expect.any(Headers),
      expect.any(AbortSignal),
    ])
    return rest
  }

  test('is nothing but that nothing be cached: worker runtimes know little more', async () => {
    expect(await keys(FEED)).toEqual({ cache: 'no-store' })
  })

  test('is nothing at all where the runtime does not know how to cache', async () => {
    const { cache } = Object.getOwnPropertyDescriptors(Request.prototype)
    Reflect.deleteProperty(Request.prototype, 'cache')
    try {
      expect(await keys(FEED)).toEqual({})
    } finally {
      Object.defineProperty(Request.prototype, 'cache', cache)
    }
  })

  test('is all that the caller gives, known to us or not', async () => {
    const options = {
      cache: 'reload',
      credentials: 'include',
      integrity: 'sha256-x',
      keepalive: true,
      mode: 'same-origin',
      redirect: 'error',
      referrer: 'https://example.com/page',
      referrerPolicy: 'no-referrer',
      dispatcher: 'of undici',
      priority: 'low',
    } as RequestOptions
    expect(await keys(FEED, options)).toEqual(options)
  })

  test('is looked at by the runtime first: what its Request refuses is never sent', async () => {
    const options = { mode: 'nonsense' } as unknown as RequestOptions
    await expect(build(FEED, options)).rejects.toThrow(TypeError)
  })

  test('is no option of ours', async () => {
    const { fetch, requests } = answering(stream(['data: 1\n\n']))
    const observer = () => {}
    const source = events(FEED, {
      fetch,
      retry: { maxRetries: 1 },
      resume: 'same',
      lastEventId: '7',
      onEnd: 'complete',
      until: 'end',
      decode: JSON.parse,
      cursor: ({ lastEventId }) => lastEventId,
      skip: () => false,
      incomplete: 'drop',
      accept: () => true,
      authStatuses: [403],
      gate: observer,
      connectTimeout: 5000,
      idleTimeout: 5000,
      maxEventSize: 5000,
      onOpen: observer,
      onComment: observer,
      onReconnect: observer,
      signal: new AbortController().signal,
      json: {},
    })
    await source[Symbol.asyncIterator]().next()
    source.close()
    expect(Object.keys(requests[0] ?? {}).sort()).toEqual(
      // A POST follows its redirects by hand: fetch would make a GET of it.
      ['url', 'body', 'cache', 'headers', 'method', 'redirect', 'signal'].sort(),
    )
  })
})

describe('fetch', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  test('is that of the runtime, looked up at each attempt, called with a string and an init', async () => {
    const story: unknown[] = []
    const fake = (name: string, answer: Answer) =>
      function (this: unknown, ...args: [string, RequestInit]) {
        story.push([name, this, args.length, args[0], args[1].method])
        return answering(answer).fetch(...args)
      }
    vi.stubGlobal('fetch', fake('first', stream([])))
    const followed = follow(events(new URL(FEED)), story as string[])
    await vi.advanceTimersByTimeAsync(0)
    vi.stubGlobal('fetch', fake('second', new Response(null, { status: 204 })))
    await vi.advanceTimersByTimeAsync(2000)
    await followed
    expect(story).toEqual([
      ['first', undefined, 2, FEED, 'GET'],
      ['second', undefined, 2, FEED, 'GET'],
      'done',
    ])
  })

  test('gets headers that can be spread, in the spelling of other libraries', async () => {
    const given: unknown[] = []
    const source = events(FEED, {
      lastEventId: '7',
      headers: { 'X-A': '1' },
      async fetch(_, { headers }) {
        given.push({ ...headers, Accept: 'mine' })
        return stream(['data: 1\n\n'])
      },
    })
    for await (const _ of source) break
    expect(given).toEqual([{ Accept: 'mine', 'Last-Event-ID': '7', 'x-a': '1' }])
  })
})

describe('a body that can be sent once only', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const body = () => new Blob(['x']).stream()

  const rows: [string, Answer, EventsOptions, object | undefined][] = [
    ['a refusal', new Response('', { status: 429 }), {}, { status: 429 }],
    ['a 401', new Response('', { status: 401 }), { headers: () => ({}) }, { status: 401 }],
    ['a lost connection', new Error('reset'), { resume: 'same' }, { code: 'network' }],
    ['a clean end', stream([]), { onEnd: 'reconnect', resume: 'same' }, undefined],
  ]
  test.each(rows)('fails the retry after %s, without a wait', async (_, answer, options, cause) => {
    const { fetch, requests } = answering(answer)
    const told: unknown[] = []
    const source = events(FEED, {
      body: body(),
      fetch,
      onReconnect: (reconnect) => told.push(reconnect),
      ...options,
    })
    const failure = await source[Symbol.asyncIterator]()
      .next()
      .catch((error) => error)
    expect(failure).toMatchObject({ code: 'unrepeatable', retriable: false })
    if (cause) expect(failure.cause).toMatchObject(cause)
    else expect(failure.cause).toBe(undefined)
    expect([requests.length, told.length]).toEqual([1, 0])
  })

  test('fails reconnect() and a new iteration', async () => {
    const { fetch, requests } = answering(stream([], 'stall'))
    const source = events(FEED, { body: body(), fetch })
    const next = source[Symbol.asyncIterator]()
      .next()
      .catch((error) => error)
    await vi.advanceTimersByTimeAsync(0)
    source.reconnect()
    expect(await next).toMatchObject({ code: 'unrepeatable', attempt: 2 })
    const again = source[Symbol.asyncIterator]().next()
    await expect(again).rejects.toMatchObject({ code: 'unrepeatable', attempt: 1 })
    expect(requests.length).toBe(1)
  })

  test('is no matter where resume makes a request of its own', async () => {
    const { fetch, requests } = answering(
      stream(['id: 1\ndata: 1\n\n'], new Error('cut')),
      stream([]),
    )
    const source = events(FEED, {
      body: body(),
      fetch,
      retry: { delay: 0 },
      resume: ({ cursor }) => `?after=${cursor}`,
    })
    const story: string[] = []
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(1000)
    await followed
    expect([story, requests.map(({ method, url }) => `${method} ${url}`)]).toEqual([
      ['message:1', 'done'],
      [`POST ${FEED}`, `GET ${FEED}?after=1`],
    ])
    // It is complete: the next iteration begins anew, and cannot.
    const again = source[Symbol.asyncIterator]().next()
    await expect(again).rejects.toMatchObject({ code: 'unrepeatable' })
  })

  test('is not spent by an attempt that never came to send it', async () => {
    const { fetch, requests } = answering(stream(['data: 1\n\n']))
    const source = events(FEED, {
      body: body(),
      fetch,
      headers: ({ number }) => (number === 1 ? new Promise<never>(() => {}) : {}),
    })
    const next = source[Symbol.asyncIterator]().next()
    await vi.advanceTimersByTimeAsync(0)
    source.reconnect()
    expect(await next).toMatchObject({ value: { data: '1' } })
    expect(requests.length).toBe(1)
    source.close()
  })
})

describe('what the runtime refuses is final, also where it is made later', () => {
  test.each([
    { input: '/2', method: 'GET', body: 'x' },
    { input: '/2', method: 'TRACE' },
    { input: '/2', method: 'G T' },
  ])('by resume: %o', async (request) => {
    const plan = new RequestPlan(FEED, {})
    await make(plan)
    const resumed = make(plan, { first: new Response() }, () => request)
    await expect(resumed).rejects.toBeInstanceOf(TypeError)
  })
})

describe('headers that must not follow a redirect to another origin', () => {
  const secret = { Authorization: 'Bearer s3cret' }
  const rows: [string, EventsInput, RequestOptions, boolean][] = [
    ['none of the caller', FEED, {}, false],
    ['an empty list', FEED, { headers: [] }, false],
    ['json: its content type is ours', FEED, { json: 1 }, false],
    ['one that is left out', FEED, { headers: { 'x-a': null, 'x-b': undefined } }, false],
    ['one header, whichever', FEED, { headers: { 'x-a': '1' } }, true],
    ['one that every object has', FEED, { headers: { constructor: '1' } as never }, true],
    ['an Accept of the caller', FEED, { headers: { accept: '*/*' } }, true],
    ['a headers function', FEED, { headers: () => secret }, true],
    ['a headers function that makes none', FEED, { headers: () => ({}) }, false],
    ["redirect: 'follow'", FEED, { headers: secret, redirect: 'follow' }, false],
    ["redirect: 'error', which fetch sees to", FEED, { headers: secret, redirect: 'error' }, false],
  ]
  test.each(rows)('%s', async (_, input, options, guarded) => {
    const outgoing = await build(input, options, { lastEventId: '7' })
    expect(outgoing._guarded).toBe(guarded)
  })
})
