import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SseError } from '../src/errors'
import { type EventsOptions, events } from '../src/events'
import {
  type Attempt,
  type EventsInput,
  isSafe,
  type OutgoingRequest,
  planRequest,
  type RequestOptions,
} from '../src/request'
import { type Answer, answering, follow } from './support/fetch'
import { stream } from './support/response'
import { serve } from './support/server'

const FEED = 'https://example.com/feed'

const attempt = (rest: Partial<Attempt> = {}): Attempt => ({
  number: 1,
  lastEventId: '',
  error: undefined,
  signal: new AbortController().signal,
  ...rest,
})
const build = (
  input: EventsInput,
  options: RequestOptions = {},
  rest?: Partial<Attempt>,
): Promise<OutgoingRequest> => planRequest(input, options).build(attempt(rest))

/** What is sent, as text: the runtime knows best how it reads an init. */
async function wire({ url, init }: OutgoingRequest): Promise<string> {
  const request = new Request(url, init)
  const type = request.headers.get('content-type')
  return `${request.method} ${type ?? ''} ${await request.text()}`.trim()
}

describe('the URL', () => {
  const rows: [string, EventsInput, string][] = [
    ['a string', `${FEED}?a=b`, `${FEED}?a=b`],
    ['a string that is not normal', 'HTTPS://Example.com:443/a/../feed', FEED],
    ['a URL', new URL(FEED), FEED],
    ['a Request', new Request(FEED), FEED],
    ['a function of the attempt', ({ number }) => `${FEED}/${number}`, `${FEED}/1`],
    ['a function that takes its time', async () => new URL(FEED), FEED],
    ['a function that makes a Request', () => new Request(FEED), FEED],
  ]
  test.each(rows)('may be %s', async (_, input, url) => {
    expect((await build(input)).url).toBe(url)
  })

  test('of a function is made anew for each attempt, with all that is known', async () => {
    const attempts: Attempt[] = []
    const plan = planRequest((given) => {
      attempts.push(given)
      return `${FEED}?after=${given.lastEventId}`
    }, {})
    const error = new SseError('network', '')
    const given = [attempt(), attempt({ number: 2, lastEventId: '7', error })]
    const urls: string[] = []
    for (const each of given) urls.push((await plan.build(each)).url)
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
})

describe('the headers', () => {
  const sent = async (...args: Parameters<typeof build>) =>
    Object.fromEntries((await build(...args)).init.headers)
  const accept = 'text/event-stream'

  const rows: [string, RequestOptions['headers'], Record<string, string>][] = [
    ['none', undefined, {}],
    ['a record', { 'X-A': '1' }, { 'x-a': '1' }],
    ['a record with one left out', { 'X-A': undefined as never, 'X-B': '1' }, { 'x-b': '1' }],
    [
      'pairs',
      [
        ['X-A', '1'],
        ['x-a', '2'],
      ],
      { 'x-a': '1, 2' },
    ],
    ['Headers', new Headers({ 'X-A': '1' }), { 'x-a': '1' }],
    ['a value that ends in a line break, as a file does', { 'X-A': 'token\n' }, { 'x-a': 'token' }],
    ['a function', () => ({ 'X-A': '1' }), { 'x-a': '1' }],
    ['a function that takes its time', async () => [['X-A', '1']], { 'x-a': '1' }],
    ['a function that makes none', () => undefined as never, {}],
  ]
  test.each(rows)('may be %s', async (_, headers, expected) => {
    expect(await sent(FEED, { headers })).toEqual({ accept, ...expected })
  })

  test('accept what the caller says, if he does', async () => {
    const headers = { Accept: 'text/event-stream, application/json' }
    expect(await sent(FEED, { headers })).toEqual({ accept: headers.Accept })
  })

  test('of the caller go over those of a Request', async () => {
    const request = new Request(FEED, { headers: { 'x-a': '1', 'x-b': '1', accept: '*/*' } })
    const expected = { 'x-a': '1', 'x-b': '2', accept: '*/*' }
    expect(await sent(request, { headers: { 'X-B': '2' } })).toEqual(expected)
    expect(await sent(() => request, { headers: () => ({ 'X-B': '2' }) })).toEqual(expected)
  })

  test('are the caller’s own afterwards', async () => {
    const headers = new Headers({ 'x-a': '1' })
    await build(FEED, { headers, json: 1 }, { lastEventId: '7' })
    expect(Object.fromEntries(headers)).toEqual({ 'x-a': '1' })
  })
})

describe('the method', () => {
  const post = new Request(FEED, { method: 'POST', body: 'x' })
  const rows: [string, EventsInput, RequestOptions, string][] = [
    ['nothing else', FEED, {}, 'GET'],
    ['a body', FEED, { body: 'x' }, 'POST text/plain;charset=UTF-8 x'],
    ['a body that is empty', FEED, { body: '' }, 'POST text/plain;charset=UTF-8'],
    ['no body', FEED, { body: null }, 'GET'],
    ['a body function', FEED, { body: () => 'x' }, 'POST text/plain;charset=UTF-8 x'],
    ['json', FEED, { json: { a: 1 } }, 'POST application/json {"a":1}'],
    ['a method', FEED, { method: 'DELETE' }, 'DELETE'],
    ['a method and a body', FEED, { method: 'PUT', body: 'x' }, 'PUT text/plain;charset=UTF-8 x'],
    ['a Request', new Request(FEED, { method: 'PUT' }), {}, 'PUT'],
    ['a Request with a body', post, {}, 'POST text/plain;charset=UTF-8 x'],
    ['a Request and a body', post, { body: 'y' }, 'POST text/plain;charset=UTF-8 y'],
    ['a Request and a method', post, { method: 'PUT' }, 'PUT text/plain;charset=UTF-8 x'],
    ['a function that makes a Request', () => post, {}, 'POST text/plain;charset=UTF-8 x'],
    ['a function that makes a URL, and json', () => FEED, { json: 1 }, 'POST application/json 1'],
  ]
  test.each(rows)('with %s', async (_, input, options, expected) => {
    expect(await wire(await build(input, options))).toBe(expected)
  })

  test.each([
    ['GET', true],
    ['HEAD', true],
    ['OPTIONS', true],
    ['get', true],
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
    ['a function that takes its time', async ({ number }) => `${number}`, `POST ${text} 1`],
    ['a function that makes none', () => undefined, 'POST'],
  ]
  test.each(rows)('may be %s, sent as often as it takes', async (_, body, expected) => {
    const plan = planRequest(FEED, { body })
    expect(await wire(await plan.build(attempt()))).toBe(expected)
    expect(await wire(await plan.build(attempt()))).toBe(expected)
    expect((await plan.build(attempt())).init).not.toHaveProperty('duplex')
  })

  test('of a form is sent with its boundary', async () => {
    const form = new FormData()
    form.append('a', '1')
    for (const input of [
      await build(FEED, { body: form }),
      await build(new Request(FEED, { method: 'POST', body: form })),
    ]) {
      const fields = await new Request(input.url, input.init).formData()
      expect([...fields]).toEqual([['a', '1']])
    }
  })

  test.each<[string, () => unknown]>([
    ['a stream', () => new Blob(['x']).stream()],
    ['what can be iterated once', () => Readable.from(['x'])],
  ])('of %s is sent as one, and made anew by a function', async (_, make) => {
    const outgoing = await build(FEED, { body: make() as BodyInit })
    expect(outgoing.init).toHaveProperty('duplex', 'half')
    expect(await wire(outgoing)).toBe('POST  x')
    const plan = planRequest(FEED, { body: make as () => BodyInit })
    for (const _ of [1, 2]) {
      const again = await plan.build(attempt())
      expect(again.init).toHaveProperty('duplex', 'half')
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
    expect(await wire(await build(FEED, { json }))).toBe(`POST application/json ${body}`)
  })

  test('leaves a content type of the caller alone', async () => {
    const headers = { 'Content-Type': 'application/problem+json' }
    expect(await wire(await build(FEED, { json: 1, headers }))).toBe(
      'POST application/problem+json 1',
    )
  })

  test('is what it was when the stream was made', async () => {
    const json = { a: 1 }
    const plan = planRequest(FEED, { json })
    json.a = 2
    expect(await wire(await plan.build(attempt()))).toBe('POST application/json {"a":1}')
  })
})

describe('the idempotency key', () => {
  const keysOf = async (idempotencyKey: string | true | undefined) => {
    const { fetch, requests } = answering(
      new Response(null, { status: 503 }),
      new TypeError('fetch failed'),
      stream([]),
    )
    const retry = { delay: 0, jitter: 0 }
    const source = events(FEED, { fetch, method: 'POST', idempotencyKey, retry })
    for await (const _ of source);
    return requests.map(({ headers }) => headers.get('idempotency-key'))
  }

  test('of the caller goes with every attempt', async () => {
    expect(await keysOf('order-7')).toEqual(['order-7', 'order-7', 'order-7'])
  })

  test('by chance is one for all attempts of a stream, and another for the next', async () => {
    const [first, ...others] = await keysOf(true)
    expect(first).toMatch(/^[0-9a-f]{32}$/)
    expect(others).toEqual([first, first])
    expect((await keysOf(true))[0]).not.toBe(first)
  })

  test('is not sent unless asked for', async () => {
    expect(await keysOf(undefined)).toEqual([null, null, null])
  })

  test('does not by itself make a POST be repeated', async () => {
    const { fetch, requests } = answering(new TypeError('fetch failed'))
    const source = events(FEED, { fetch, method: 'POST', idempotencyKey: true })
    await expect(source[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'network' })
    expect(requests).toHaveLength(1)
  })

  test('that HTTP cannot carry is refused, and not shown', () => {
    const make = () => events(FEED, { idempotencyKey: 'a\nb', method: 'POST' })
    expect(make).toThrow('Expected header "idempotency-key" in Latin-1 without line breaks')
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
    expect(await keys(new Request(FEED))).toEqual({ cache: 'no-store' })
  })

  test('is nothing at all where the runtime does not know how to cache', async () => {
    const { cache } = Object.getOwnPropertyDescriptors(Request.prototype)
    Reflect.deleteProperty(Request.prototype, 'cache')
    try {
      expect(await keys(FEED)).toEqual({})
      expect(await keys(new Request(FEED))).toEqual({})
    } finally {
      Object.defineProperty(Request.prototype, 'cache', cache)
    }
  })

  const own: RequestInit = {
    cache: 'reload',
    credentials: 'include',
    integrity: 'sha256-x',
    keepalive: true,
    mode: 'same-origin',
    redirect: 'error',
    referrer: 'https://example.com/page',
    referrerPolicy: 'no-referrer',
  }

  test('is all that the caller gives, known to us or not', async () => {
    const options = { ...own, dispatcher: 'of undici', priority: 'low' } as RequestOptions
    expect(await keys(FEED, options)).toEqual(options)
  })

  test('is all that a Request was given', async () => {
    expect(await keys(new Request(FEED, own))).toEqual(own)
    expect(await keys(() => new Request(FEED, own))).toEqual(own)
  })

  test('is the option of the caller rather than that of the Request', async () => {
    const options: RequestOptions = { cache: 'no-cache', credentials: 'omit', redirect: 'follow' }
    expect(await keys(new Request(FEED, own), options)).toEqual({ ...own, ...options })
  })

  test('is no option of ours', async () => {
    const { fetch, requests } = answering(stream(['data: 1\n\n']))
    const observer = () => {}
    const source = events(FEED, {
      fetch,
      retry: { maxRetries: 1 },
      lastEventId: '7',
      onEnd: 'complete',
      until: 'end',
      decode: JSON.parse,
      dedupe: 3,
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
      ['url', 'body', 'cache', 'headers', 'method', 'signal'].sort(),
    )
  })
})

describe('a Request', () => {
  test('is sent again with its body, as often as it takes, and stays unread', async () => {
    const request = new Request(FEED, { method: 'POST', body: 'x'.repeat(100_000) })
    const plan = planRequest(request, {})
    for (const _ of [1, 2, 3]) {
      expect((await wire(await plan.build(attempt()))).length).toBe(
        'POST text/plain;charset=UTF-8 '.length + 100_000,
      )
    }
    expect(request.bodyUsed).toBe(false)
  })

  test('without a body has none on any attempt', async () => {
    for (const method of ['GET', 'POST']) {
      expect((await build(new Request(FEED, { method }))).init.body).toBe(undefined)
    }
  })

  test('ends the stream with its signal, unless the options have another', async () => {
    const [first, second] = [new AbortController(), new AbortController()]
    const request = new Request(FEED, { signal: first.signal })
    const { fetch } = answering()
    const pending = (options?: EventsOptions) =>
      events(request, { fetch, ...options })
        [Symbol.asyncIterator]()
        .next()
    const stories = [
      pending().catch((reason) => `first: ${reason}`),
      pending({ signal: second.signal }).catch((reason) => `second: ${reason}`),
    ]
    first.abort('stop')
    expect(await stories[0]).toBe('first: stop')
    second.abort('halt')
    expect(await stories[1]).toBe('second: halt')
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
})

describe('a body that can be sent once only', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const body = () => new Blob(['x']).stream()
  const message =
    'Expected a body that can be sent again, got a stream. Pass a function that makes one'

  const rows: [string, Answer, EventsOptions, object | undefined][] = [
    ['a refusal', new Response('', { status: 503 }), {}, { status: 503 }],
    ['a 401', new Response('', { status: 401 }), { headers: () => ({}) }, { status: 401 }],
    ['a lost connection', new Error('reset'), { retry: {} }, { code: 'network' }],
    ['a clean end', stream([]), { onEnd: 'reconnect' }, undefined],
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
    expect(failure).toMatchObject({ code: 'unrepeatable', message, retriable: false })
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
    expect(await next).toMatchObject({ code: 'unrepeatable', message, attempt: 2 })
    const again = source[Symbol.asyncIterator]().next()
    await expect(again).rejects.toMatchObject({ code: 'unrepeatable', attempt: 1 })
    expect(requests.length).toBe(1)
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

describe('headers that must not follow a redirect to another origin', () => {
  const secret = { Authorization: 'Bearer s3cret' }
  const rows: [string, EventsInput, RequestOptions, boolean][] = [
    ['none of the caller', FEED, {}, false],
    ['an empty list', FEED, { headers: [] }, false],
    ['json: its content type is ours', FEED, { json: 1 }, false],
    ['one header, whichever', FEED, { headers: { 'x-a': '1' } }, true],
    ['an Accept of the caller', FEED, { headers: { accept: '*/*' } }, true],
    ['a headers function', FEED, { headers: () => secret }, true],
    ['a headers function that makes none', FEED, { headers: () => ({}) }, false],
    ['a Request with headers', new Request(FEED, { headers: secret }), {}, true],
    ['a Request without', new Request(FEED), {}, false],
    ['a Request of a function', () => new Request(FEED, { headers: secret }), {}, true],
    ["redirect: 'follow'", FEED, { headers: secret, redirect: 'follow' }, false],
    ["redirect: 'error', which fetch sees to", FEED, { headers: secret, redirect: 'error' }, false],
    [
      "a Request with redirect: 'error'",
      new Request(FEED, { headers: secret, redirect: 'error' }),
      {},
      false,
    ],
  ]
  test.each(rows)('%s', async (_, input, options, guarded) => {
    const outgoing = await build(input, options, { lastEventId: '7' })
    expect(outgoing.guarded).toBe(guarded)
  })

  /** Two origins: the one redirects to the other, which notes what it is asked. */
  async function redirect(to: (own: string, other: string) => string, status = 302) {
    const asked: string[] = []
    const other = await serve((request, response) => {
      asked.push(`other ${request.method} ${request.headers.authorization ?? '-'}`)
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\n')
    })
    const own = await serve((request, response) => {
      asked.push(`own ${request.method} ${request.headers.authorization ?? '-'}`)
      const location = request.url === '/to' ? undefined : to(own.url, other.url)
      response.writeHead(location ? status : 200, {
        'content-type': 'text/event-stream',
        ...(location && { location }),
      })
      response.end(location ? '' : 'data: 1\n\n')
    })
    return { url: own.url, asked, origins: [own.url, other.url] as const }
  }
  const outcome = async (input: EventsInput, options: EventsOptions) => {
    const story: string[] = []
    await follow(events(input, { onEnd: 'complete', retry: false, ...options }), story)
    return story
  }

  const inputs: [string, (url: string) => [EventsInput, EventsOptions]][] = [
    ['an object', (url) => [url, { headers: secret }]],
    ['a function', (url) => [url, { headers: async () => secret }]],
    ['a Request', (url) => [new Request(url, { headers: secret }), {}]],
  ]
  for (const [name, input] of inputs) {
    test.each([301, 302, 303, 307, 308])(
      `given as ${name} are never sent to the other origin of a %d`,
      async (status) => {
        const { url, asked } = await redirect((_, other) => `${other}/`, status)
        expect(await outcome(...input(url))).toEqual(['throws:redirect'])
        expect(asked).toEqual(['own GET Bearer s3cret'])
      },
    )

    test(`given as ${name} are sent on within the origin`, async () => {
      const { url, asked } = await redirect(() => '/to')
      expect(await outcome(...input(url))).toEqual(['message:1', 'done'])
      expect(asked).toEqual(['own GET Bearer s3cret', 'own GET Bearer s3cret'])
    })
  }

  test('the refusal names the origins, and no path, query or token', async () => {
    const { url, origins } = await redirect((_, other) => `${other}/p4th?token=s3cret`)
    const source = events(`${url}/p4th?token=s3cret`, { headers: secret })
    const failure = await source[Symbol.asyncIterator]()
      .next()
      .catch((error) => error)
    expect(failure.message).toBe(
      `Expected a redirect within ${origins[0]}, got one to ${origins[1]}, which must not see the caller’s headers. Use that URL, or pass redirect: 'follow' to send them`,
    )
  })

  test('where there are none, fetch does as it always does', async () => {
    const { url, asked } = await redirect((_, other) => `${other}/`)
    expect(await outcome(url, { lastEventId: '7', json: 1 })).toEqual(['message:1', 'done'])
    expect(asked).toEqual(['own POST -', 'other GET -'])
  })

  test('a Request that forbids redirects meets none', async () => {
    const { url, asked } = await redirect(() => '/to')
    const request = new Request(url, { headers: secret, redirect: 'error' })
    expect(await outcome(request, {})).toEqual(['throws:network'])
    expect(asked).toEqual(['own GET Bearer s3cret'])
  })
})
