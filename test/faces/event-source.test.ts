import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { EventSource, type EventSourceInit, type OpenEvent } from '../../src'
import { type Answer, answering } from '../support/fetch'
import { stream } from '../support/response'
import { serve } from '../support/server'
import { failure, message, open, record } from '../support/source'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A source that never gets an answer: for what needs no server. */
const idle = (init?: EventSourceInit) => open('http://localhost/', { ...answering(), ...init })

const until = (condition: () => unknown) =>
  vi.waitUntil(condition, { timeout: 10_000, interval: 5 })

/** A real server of event streams; each request gets the next listener, the last one stays. */
async function server(...listeners: RequestListener[]) {
  const requests: IncomingMessage[] = []
  const { url } = await serve((request, response) => {
    const listener = listeners[Math.min(requests.length, listeners.length - 1)]
    requests.push(request)
    listener?.(request, response)
  })
  return { url, requests }
}

/** Sends the text of a stream and ends it, or keeps it open. */
const sends =
  (text: string, keep = false): RequestListener =>
  (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(text)
    if (!keep) response.end()
  }
const keeps = (text: string) => sends(text, true)
const redirects =
  (status: number, location: string): RequestListener =>
  (_, response: ServerResponse) =>
    response.writeHead(status, { location }).end()

describe('the constructor', () => {
  const page = 'https://example.org/app/page.html?q#f'
  const documentAt = (baseURI: string) => Object.assign(new EventTarget(), { baseURI })

  test.each<[string, unknown, string]>([
    ['an absolute URL', 'http://a.test/b', 'http://a.test/b'],
    ['a path', '/events', 'https://example.org/events'],
    ['a relative path', 'events?x', 'https://example.org/app/events?x'],
    ['the empty string, which is the page', '', 'https://example.org/app/page.html?q'],
    ['a fragment', 'http://a.test/#f', 'http://a.test/#f'],
    ['a URL object', new URL('http://a.test/b'), 'http://a.test/b'],
    ['an object that says what it is', { toString: () => '/o' }, 'https://example.org/o'],
    ['null', null, 'https://example.org/app/null'],
    ['undefined', undefined, 'https://example.org/app/undefined'],
    ['a number', 1, 'https://example.org/app/1'],
    ['a lone surrogate', '/\ud800', 'https://example.org/%EF%BF%BD'],
    ['an international host', 'http://élève.test/', 'http://xn--lve-6lad.test/'],
  ])('resolves %s', (_, url, resolved) => {
    vi.stubGlobal('document', documentAt(page))
    expect(open(url as string, answering()).url).toBe(resolved)
  })

  test.each([
    ['a document’s base', { document: documentAt(page), location: { href: 'http://other.test/' } }],
    ['a worker’s own URL', { location: { href: page } }],
  ])('resolves against %s', (_, globals) => {
    for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
    expect(open('events', answering()).url).toBe('https://example.org/app/events')
  })

  test.each([
    ['a URL that cannot be parsed', 'http://this is no host/', page],
    ['a relative URL where there is no base', '/events', undefined],
    ['the empty string where there is no page', '', undefined],
  ])('throws a SyntaxError for %s', (_, url, base) => {
    if (base) vi.stubGlobal('location', { href: base })
    const thrown = catching(() => new EventSource(url)) as DOMException
    expect(thrown).toBeInstanceOf(DOMException)
    expect([thrown.name, thrown.code]).toEqual(['SyntaxError', DOMException.SYNTAX_ERR])
  })

  test('throws a TypeError for no argument, and for one that is no string', () => {
    // @ts-expect-error: the argument is required
    expect(() => new EventSource()).toThrow(TypeError)
    expect(() => new EventSource(Symbol('url') as never)).toThrow(TypeError)
  })

  test('throws what the conversion of its argument throws, untouched', () => {
    const thrown = new Error('no string')
    const url = {
      toString() {
        throw thrown
      },
    }
    expect(catching(() => new EventSource(url as never))).toBe(thrown)
  })

  test.each([1, 'init', true, Symbol('init'), 1n])(
    'throws a TypeError for an init of %o',
    (init) => {
      expect(() => new EventSource('http://localhost/', init as never)).toThrow(TypeError)
    },
  )

  test('takes null and undefined for no init', () => {
    vi.stubGlobal('fetch', answering().fetch)
    for (const init of [null, undefined]) {
      expect(open('http://localhost/', init).withCredentials).toBe(false)
    }
  })

  test.each<[unknown, boolean]>([
    [undefined, false],
    [null, false],
    [0, false],
    ['', false],
    [false, false],
    [true, true],
    [1, true],
    ['false', true],
    [{}, true],
  ])('takes withCredentials: %o for %o', (withCredentials, taken) => {
    expect(idle({ withCredentials: withCredentials as boolean }).withCredentials).toBe(taken)
  })

  test('reads withCredentials once, wherever it is inherited from, after the URL', () => {
    const story: string[] = []
    const url = {
      toString() {
        story.push('url')
        return 'no URL'
      },
    }
    class Init {
      get withCredentials() {
        story.push('withCredentials')
        return true
      }
    }
    expect(() => new EventSource(url as never, new Init())).toThrow(DOMException)
    expect(story).toEqual(['url', 'withCredentials'])
    const init = Object.assign(new Init(), answering())
    const source = open('http://localhost/', init)
    expect([source.withCredentials, source.withCredentials]).toEqual([true, true])
    expect(story).toEqual(['url', 'withCredentials', 'withCredentials'])
  })

  test('starts out connecting, and says nothing before it returns', async () => {
    const { url } = await server(sends('data: 1\n\n'))
    const source = open(url)
    const story = record(source)
    expect([source.readyState, source.status, story]).toEqual([0, 'connecting', []])
    await message(source)
    expect(story).toEqual(['open:1', 'message:1:1'])
  })
})

describe('the request', () => {
  test('is a GET that accepts an event stream and is never answered from a cache', async () => {
    const { url, requests } = await server(keeps(':\n\n'))
    await once(open(`${url}/a?b#c`), 'open')
    const [request] = requests
    expect([request?.method, request?.url]).toEqual(['GET', '/a?b'])
    expect(request?.headers).toMatchObject({
      accept: 'text/event-stream',
      'cache-control': 'no-cache',
    })
    expect(request?.headers).not.toHaveProperty('last-event-id')
  })

  test.each([
    ['leaves the mode and the credentials to fetch, whose defaults are the standard’s', {}, {}],
    ['includes credentials where asked to', { withCredentials: true }, { credentials: 'include' }],
  ])('%s', async (_, init, sent) => {
    const { fetch, requests } = answering()
    open('http://localhost/', { ...init, fetch })
    await until(() => requests.length > 0)
    const { mode, credentials, cache } = requests[0] as RequestInit
    expect({ mode, credentials, cache }).toEqual({
      mode: undefined,
      credentials: undefined,
      cache: 'no-store',
      ...sent,
    })
  })

  test.each<[string, string, string | undefined]>([
    ['sends the last event ID when it reconnects', 'id: 1\ndata\n\n', '1'],
    ['sends it as UTF-8', 'id: …\ndata\n\n', '…'],
    ['keeps the one of an event before, where the last has none', 'id: 1\ndata\n\ndata\n\n', '1'],
    ['sends the one of a block without data', 'id: 1\n\n', '1'],
    ['sends none after an empty one', 'id: 1\ndata\n\nid\ndata\n\n', undefined],
    ['sends none where none came', 'data\n\n', undefined],
    ['does not send the one of a block that was cut off', 'id: 1\ndata\n\nid: 2\ndata\n', '1'],
    ['does not send one with a NUL', 'id: 1\ndata\n\nid: 2\0\ndata\n\n', '1'],
  ])('%s', async (_, text, sent) => {
    const { url, requests } = await server(
      sends(`retry: 1\n${text}`),
      keeps('event: end\ndata\n\n'),
    )
    await message(open(url), 'end')
    const header = requests[1]?.headers['last-event-id'] as string | undefined
    expect(header && Buffer.from(header, 'latin1').toString()).toBe(sent)
  })

  test('gives a fetch of the caller’s headers that can be spread, and replaced so', async () => {
    const { url, requests } = await server(sends('retry: 1\nid: 1\ndata\n\n'), keeps(':\n\n'))
    const given: unknown[] = []
    const source = open(url, {
      headers: { 'X-Own': '1' },
      fetch: (url, { headers, ...init }) => {
        given.push(url, headers)
        const replaced = { Accept: 'text/event-stream;v=2', authorization: 'Bearer 1' }
        return fetch(url, { ...init, headers: { ...headers, ...replaced } })
      },
    })
    await once(source, 'open')
    await once(source, 'open')
    expect(given).toEqual([
      `${url}/`,
      { Accept: 'text/event-stream', 'x-own': '1' },
      `${url}/`,
      { Accept: 'text/event-stream', 'x-own': '1', 'Last-Event-ID': '1' },
    ])
    const { accept, authorization, 'last-event-id': id } = requests[1]?.headers ?? {}
    expect([accept, authorization, id]).toEqual(['text/event-stream;v=2', 'Bearer 1', '1'])
  })
})

describe('the response', () => {
  test.each([201, 202, 203, 204, 205, 206, 210, 299, 300, 301, 304, 305, 400, 401, 403, 404, 410])(
    'of status %i is fatal, even as an event stream',
    async (status) => {
      await expectFatal(status, (_, response) => {
        response.writeHead(status, { 'content-type': 'text/event-stream' })
        response.end(status === 204 || status === 304 ? '' : 'data: 1\n\n')
      })
    },
  )

  test.each([408, 425, 429, 500, 502, 503, 504])(
    'of status %i, which events() retries, is fatal too',
    async (status) => {
      await expectFatal(status, (_, response) => {
        response.writeHead(status, { 'retry-after': '0' }).end()
      })
    },
  )

  test.each([
    'text/event-stream',
    'text/event-stream;',
    'text/event-stream; charset=utf-8',
    'text/event-stream;charset=windows-1252',
    'text/event-stream;foo',
    'text/event-stream ;foo=bar',
    'text/event-stream\t; a="b/c"',
    'TEXT/Event-Stream',
    'text/html, text/event-stream',
    'text/html;charset=gbk, text/event-stream;charset=gbk',
    'text/event-stream, ',
    'text/event-stream, no type',
  ])('of content type %o is an event stream', async (type) => {
    const { fetch } = answering(typed(type))
    const source = open('http://localhost/', { fetch })
    const story = record(source)
    await message(source)
    expect(story).toEqual(['open:1', 'message:1:…'])
  })

  test.each([
    undefined,
    '',
    'text/plain',
    'x bogus',
    'text/event-stream foo',
    'text/event-streamfoo',
    'text/event-stream/foo',
    'xtext/event-stream',
    'text/plain; text/event-stream',
    'text/event-stream, text/html',
    'text/event-stream;charset=utf-8, text/html;charset=utf-8',
    '\xa0text/event-stream',
  ])('of content type %o is fatal', async (type) => {
    const { fetch, requests } = answering(typed(type))
    const source = open('http://localhost/', { fetch })
    const story = record(source)
    await failure(source)
    expect([requests.length, story]).toEqual([1, ['error:2']])
  })

  test.each([301, 302, 303, 307, 308])('that redirects by %i is followed', async (status) => {
    const target = await server(sends('retry: 1\ndata: 1\n\n'), keeps('data: 2\n\n'))
    const { url, requests } = await server(redirects(status, `${target.url}/there`))
    const source = open(`${url}/here`)
    const events: MessageEvent[] = []
    source.onmessage = (event) => events.push(event)
    const story = record(source)
    await until(() => events.length === 2)
    // Each attempt begins at the source's own URL, and each event says where it came from.
    expect([source.url, requests.map((request) => request.url)]).toEqual([
      `${url}/here`,
      ['/here', '/here'],
    ])
    expect(events.map(({ origin }) => origin)).toEqual([target.url, target.url])
    expect(story).toEqual(['open:1', 'message:1:1', 'error:0', 'open:1', 'message:1:2'])
  })

  test('without a body is an empty stream', async () => {
    const { fetch } = answering(
      new Response(null, { headers: { 'content-type': 'text/event-stream' } }),
    )
    const source = open('http://localhost/', { fetch })
    const story = record(source)
    await failure(source)
    expect(story).toEqual(['open:1', 'error:0'])
  })

  /** One request, one event, and no second request when the time for it has passed. */
  async function expectFatal(status: number, listener: RequestListener) {
    const { url, requests } = await server(listener)
    const source = open(url)
    const story = record(source)
    const event = await failure(source)
    expect([event.status, event.code]).toEqual([status, status])
    vi.useFakeTimers()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([requests.length, story, source.status]).toEqual([1, ['error:2'], 'closed'])
  }

  function typed(type: string | undefined): Response {
    const response = stream(['data: …\n\n'])
    response.headers.delete('content-type')
    if (type !== undefined) response.headers.set('content-type', type)
    return response
  }
})

describe('an event', () => {
  test('is a MessageEvent with all its fields', async () => {
    const { url } = await server(keeps('event: price\nid: 7\ndata: a\ndata: b\n\n'))
    const source = open(url)
    const event = await message(source, 'price')
    expect(event).toBeInstanceOf(MessageEvent)
    expect(event.constructor).toBe(MessageEvent)
    const { type, data, origin, lastEventId, ports, bubbles, cancelable, composed } = event
    expect({ type, data, origin, lastEventId, ports, bubbles, cancelable, composed }).toEqual({
      type: 'price',
      data: 'a\nb',
      origin: url,
      lastEventId: '7',
      ports: [],
      bubbles: false,
      cancelable: false,
      composed: false,
    })
    expect([event.source, event.target, event.currentTarget]).toEqual([null, source, null])
  })

  test('of open is a plain event with the response, and comes with the headers', async () => {
    const { url } = await server((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-from': 'server' })
      response.flushHeaders()
    })
    const source = open(url)
    const [event] = (await once(source, 'open')) as [OpenEvent]
    expect(event.constructor).toBe(Event)
    expect([event.bubbles, event.cancelable, Object.hasOwn(event, 'data')]).toEqual([
      false,
      false,
      false,
    ])
    expect([event.response.status, event.response.headers.get('x-from')]).toEqual([200, 'server'])
  })

  test.each<[string, Answer, object]>([
    [
      'a status',
      () => new Response('no', { status: 403, statusText: 'Forbidden' }),
      {
        code: 403,
        status: 403,
        message: __DEV__ ? 'Expected status 200, got 403 Forbidden' : 'status 403',
      },
    ],
    [
      'a content type',
      () => new Response('{}', { headers: { 'content-type': 'application/json' } }),
      {
        code: 'content-type',
        status: 200,
        message: expect.stringMatching(
          __DEV__
            ? 'Expected content-type text/event-stream, got application/json'
            : 'content-type',
        ),
      },
    ],
    ['a network failure', new TypeError('refused'), { code: 'network', status: undefined }],
    [
      'a lost line',
      stream(['data: 1\n\n'], new Error('cut')),
      { code: 'network', status: undefined },
    ],
    ['an end in mid-event', stream(['data: 1\n']), { code: 'truncated', status: undefined }],
    [
      'a server that does not want to be asked again',
      () => new Response(null, { status: 204 }),
      { code: 204, status: 204 },
    ],
    [
      'the end of the stream',
      stream(['data: 1\n\n']),
      { code: undefined, status: undefined, error: undefined, message: 'The stream ended' },
    ],
  ])('of error says what happened: %s', async (_, answer, fields) => {
    const event = await failure(open('http://localhost/', answering(answer)))
    expect(event.constructor).toBe(Event)
    expect([event.type, event.bubbles, event.cancelable, Object.hasOwn(event, 'data')]).toEqual([
      'error',
      false,
      false,
      false,
    ])
    const { error, message, code, status } = event
    expect({ error, message, code, status }).toMatchObject(fields)
    if (error) expect(error.message).toBe(message)
  })

  test('carries the last event ID over from the events before it, and over a reconnect', async () => {
    const { url } = await server(
      sends('retry: 1\ndata: 1\n\nid: a\ndata: 2\n\ndata: 3\n\n'),
      keeps('data: 4\n\nid\ndata: 5\n\n'),
    )
    const source = open(url)
    const story: string[] = []
    source.onmessage = ({ data, lastEventId }) => story.push(`${data}:${lastEventId}`)
    await until(() => story.length === 5)
    expect(story).toEqual(['1:', '2:a', '3:a', '4:a', '5:'])
    expect(source.lastEventId).toBe('')
  })

  test('whose name is one of the source’s own is a MessageEvent none the less', async () => {
    const { url } = await server(
      keeps('event: open\ndata: 1\n\nevent: error\ndata: 2\n\ndata: 3\n\n'),
    )
    const source = open(url)
    const story = record(source)
    await message(source)
    expect(story).toEqual(['open:1', 'open:1:1', 'error:1:2', 'message:1:3'])
  })

  test('with a name does not reach onmessage', async () => {
    const { url } = await server(keeps('event: Message\ndata: 1\n\nevent:\ndata: 2\n\n'))
    const source = open(url)
    const story = record(source, ['Message', 'message'])
    await message(source)
    expect(story).toEqual(['Message:1:1', 'message:1:2'])
  })

  test('is a MessageEvent to every script', async () => {
    const source = open('http://localhost/', answering(stream(['id: 7\ndata: a\n\n'])))
    const event = await message(source, 'message')
    const init = { data: 'a', lastEventId: '7', origin: event.origin }
    const native = new MessageEvent('message', init)
    const members = (of: object) => {
      const found: Record<string, unknown> = {}
      for (const name in of) found[name] = Reflect.get(of, name)
      return { ...found, timeStamp: 0, target: 0, srcElement: 0 }
    }
    expect(members(event)).toEqual(members(native))
    expect(event).toBeInstanceOf(MessageEvent)
    expect(event.constructor).toBe(MessageEvent)
    expect(String(event)).toBe(String(native))
    expect(Object.isFrozen(event.ports)).toBe(true)
    const elsewhere = new EventTarget()
    const again: unknown[] = []
    elsewhere.addEventListener('message', (same) => again.push(same, same.target))
    elsewhere.dispatchEvent(event)
    expect(again).toEqual([event, elsewhere])
  })

  test('comes after what the promise of the one before led to, as it does task by task', async () => {
    const source = open(
      'http://localhost/',
      answering(stream(['data: 1\n\ndata: 2\n\ndata: 3\n\n'])),
    )
    const next = () =>
      new Promise<MessageEvent>((resolve) => {
        source.addEventListener('message', resolve, { once: true })
      })
    const story = record(source)
    story.push(
      `got ${(await next()).data}`,
      `got ${(await next()).data}`,
      `got ${(await next()).data}`,
    )
    expect(story).toEqual([
      'open:1',
      'message:1:1',
      'message:1:2',
      'message:1:3',
      'got 1',
      'got 2',
      'got 3',
    ])
  })
})

describe('the on attributes', () => {
  const fire = (source: EventSource) => source.dispatchEvent(new Event('message'))
  const teller = (story: string[], name: string) => () => story.push(name)

  test('take their place among the listeners when they are first set, and keep it', () => {
    const source = idle()
    const story: string[] = []
    source.addEventListener('message', teller(story, 'before'))
    source.onmessage = teller(story, 'first')
    source.addEventListener('message', teller(story, 'after'))
    source.onmessage = teller(story, 'second')
    fire(source)
    expect(story).toEqual(['before', 'second', 'after'])
  })

  test('lose their place when set to null, and get a new one', () => {
    const source = idle()
    const story: string[] = []
    source.onmessage = teller(story, 'handler')
    source.addEventListener('message', teller(story, 'listener'))
    source.onmessage = null
    fire(source)
    expect([story, source.onmessage]).toEqual([['listener'], null])
    source.onmessage = teller(story, 'handler')
    fire(source)
    expect(story).toEqual(['listener', 'listener', 'handler'])
  })

  test.each([undefined, null, 1, 'text', true, Symbol('s'), 1n])('take %o for null', (value) => {
    const source = idle()
    source.onmessage = () => {}
    // @ts-expect-error: no handler
    source.onmessage = value
    expect(source.onmessage).toBeNull()
  })

  test.each([
    ['an object', {}],
    ['an object that handles events', { handleEvent: () => expect.unreachable() }],
    ['an array', []],
  ])('keep %s, and never call it', (_, value) => {
    const source = idle()
    // @ts-expect-error: no function
    source.onmessage = value
    expect(source.onmessage).toBe(value)
    expect(fire(source)).toBe(true)
  })

  test('keep the place of an object that a function then replaces', () => {
    const source = idle()
    const story: string[] = []
    // @ts-expect-error: no function
    source.onmessage = {}
    source.addEventListener('message', teller(story, 'listener'))
    source.onmessage = teller(story, 'handler')
    fire(source)
    expect(story).toEqual(['handler', 'listener'])
  })

  test('are called on the source with the event, once for each', () => {
    const source = idle()
    const story: unknown[] = []
    const event = new Event('message')
    function handler(this: EventSource, event: Event) {
      story.push([this, event])
    }
    source.onmessage = handler
    source.addEventListener('message', handler)
    expect(source.onmessage).toBe(handler)
    source.dispatchEvent(event)
    expect(story).toEqual([
      [source, event],
      [source, event],
    ])
  })

  test.each(['message', 'error'])(
    'that return false cancel an event that can be canceled: %s',
    (type) => {
      const source = idle()
      source.onmessage = source.onerror = () => false
      expect(source.dispatchEvent(new Event(type, { cancelable: true }))).toBe(false)
      expect(source.dispatchEvent(new Event(type))).toBe(true)
      source.onmessage = source.onerror = () => undefined
      expect(source.dispatchEvent(new Event(type, { cancelable: true }))).toBe(true)
    },
  )

  test('are of one source each, and apart from each other', () => {
    const [one, other] = [idle(), idle()]
    const handler = () => {}
    one.onopen = handler
    expect([one.onopen, one.onmessage, one.onerror, other.onopen]).toEqual([
      handler,
      null,
      null,
      null,
    ])
  })

  test('that change while the event is under way count at once, but for a new place', () => {
    const source = idle()
    const story: string[] = []
    const change = (handler: (() => void) | null) => () => {
      source.onmessage = handler
    }
    source.addEventListener('message', change(teller(story, 'new')), { once: true })
    source.onmessage = teller(story, 'old')
    fire(source)
    source.onmessage = null
    source.addEventListener('message', change(teller(story, 'late')), { once: true })
    fire(source)
    fire(source)
    expect(story).toEqual(['new', 'late'])
  })
})

describe('listeners', () => {
  test('may be objects, come once, or leave with a signal, as with every EventTarget', async () => {
    const { url } = await server(keeps('data: 1\n\n'), keeps('data: 2\n\nevent: end\ndata\n\n'))
    const source = open(url)
    const story: string[] = []
    const controller = new AbortController()
    const tell = (name: string) => ({
      handleEvent: (event: MessageEvent) => story.push(`${name}:${event.data}`),
    })
    source.addEventListener('message', tell('object') as never)
    source.addEventListener('message', tell('once') as never, { once: true })
    source.addEventListener('message', tell('signal') as never, { signal: controller.signal })
    // @ts-expect-error: a type that is not a string is made one
    source.addEventListener({ toString: () => 'message' }, tell('stringified') as never)
    await message(source)
    controller.abort()
    source.reconnect()
    await message(source, 'end')
    expect(story).toEqual([
      'object:1',
      'once:1',
      'signal:1',
      'stringified:1',
      'object:2',
      'stringified:2',
    ])
  })

  test('may come by EventTarget.prototype, and by no other way of their own', async () => {
    const { url } = await server(keeps('event: price\ndata: 1\n\ndata: 2\n\n'))
    const source = open(url)
    const { addEventListener } = EventTarget.prototype
    const story: string[] = []
    for (const type of ['open', 'price']) {
      addEventListener.call(source, type, ({ type }: Event) => story.push(type))
    }
    await message(source)
    expect(story).toEqual(['open', 'price'])
    expect(source.addEventListener).toBe(addEventListener)
  })

  test('that nobody adds cost an event nothing but its own: the place moves with it', async () => {
    const source = open('http://localhost/', answering(stream(['event: a\nid: 1\ndata\n\n'])))
    await failure(source)
    expect(source.lastEventId).toBe('1')
  })

  test('that throw are reported as the platform reports them, and cost neither stream nor peers', async () => {
    const { url } = await server(keeps('data: 1\n\n'), keeps('data: 2\n\nevent: end\ndata\n\n'))
    const others = process.listeners('uncaughtException')
    const reported: unknown[] = []
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => reported.push(error.message))
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException')
      for (const other of others) process.on('uncaughtException', other)
    })
    const source = open(url, { retry: { delay: 0 } })
    source.onopen = () => {
      throw new Error('in open')
    }
    source.onmessage = () => {
      throw new Error('in message')
    }
    source.onerror = () => expect.unreachable()
    const story = record(source)
    await message(source)
    source.reconnect()
    await message(source, 'end')
    expect(story).toEqual(['open:1', 'message:1:1', 'open:1', 'message:1:2'])
    await settled()
    expect(reported).toEqual(['in open', 'in message', 'in open', 'in message'])
  })
})

describe('a reconnect', () => {
  test('announces itself by an error event in the state CONNECTING', async () => {
    const { url } = await server(sends('retry: 1\ndata: 1\n\n'), keeps('data: 2\n\n'))
    const source = open(url)
    const story = record(source)
    source.addEventListener('error', () => story.push(source.status))
    await message(source)
    await message(source)
    expect(story).toEqual(['open:1', 'message:1:1', 'error:0', 'waiting', 'open:1', 'message:1:2'])
  })

  test('follows a cut in the middle of the stream, whose unfinished event is lost', async () => {
    const { url } = await server((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('retry: 1\ndata: 1\n\ndata: 2\n', () => response.socket?.resetAndDestroy())
    }, keeps('data: 3\n\n'))
    const source = open(url)
    const story = record(source)
    await until(() => story.length === 5)
    expect(story).toEqual(['open:1', 'message:1:1', 'error:0', 'open:1', 'message:1:3'])
  })

  test('follows a failure before any response, however often', async () => {
    const cut: RequestListener = (request) => request.socket.resetAndDestroy()
    const { url } = await server(cut, cut, keeps('data: 1\n\n'))
    const source = open(url, { retry: { delay: 0 } })
    const story = record(source)
    await message(source)
    expect(story).toEqual(['error:0', 'error:0', 'open:1', 'message:1:1'])
  })

  test.each<[string, string, number, number]>([
    ['3 seconds, spread to twice that, where the server says nothing', '', 3000, 6000],
    ['what retry says, spread by a tenth', 'retry: 2000\n', 2000, 2200],
    ['what retry says in octal-looking digits', 'retry: 03000\n', 3000, 3300],
    [
      'the last retry that says anything',
      'retry: 2000\nretry: 1000x\nretry: -5\nretry: 1e3\nretry\n',
      2000,
      2200,
    ],
    ['no less than a tenth of a second', 'retry: 0\n', 100, 100],
  ])('comes after %s', async (_, text, least, most) => {
    for (const [chance, delay] of [
      [0, least],
      [1, most],
    ] as const) {
      vi.spyOn(Math, 'random').mockReturnValue(chance)
      vi.useFakeTimers()
      const { fetch, requests } = answering(stream([`${text}data: 1\n\n`]))
      const source = open('http://localhost/', { fetch })
      const ended = failure(source)
      await vi.advanceTimersByTimeAsync(0)
      await ended
      await vi.advanceTimersByTimeAsync(delay - 1)
      expect(requests.length).toBe(1)
      await vi.advanceTimersByTimeAsync(1)
      expect(requests.length).toBe(2)
      vi.useRealTimers()
    }
  })

  test('does not grow with the failures, and knows the time that the server asked for', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0)
    vi.useFakeTimers()
    const refused = new TypeError('refused')
    const { fetch, requests } = answering(stream(['retry: 500\n\n']), refused, refused, refused)
    const source = open('http://localhost/', { fetch })
    expect(source.reconnectionTime).toBe(3000)
    await vi.advanceTimersByTimeAsync(0)
    expect(source.reconnectionTime).toBe(500)
    await vi.advanceTimersByTimeAsync(2000)
    expect(requests.length).toBe(5)
  })
})

describe('a failure that no attempt can mend', () => {
  test.each([
    'ftp://localhost/',
    'about:blank',
    'mailto:somebody@example.org',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'ws://localhost/',
    'unheard-of:',
    'http://user:secret@localhost/',
    'data:text/plain,no',
    'blob:http://localhost/gone',
  ])('closes a source of %s, by an event and after the constructor', async (url) => {
    const source = open(url)
    const story = record(source)
    expect(source.readyState).toBe(0)
    const { message } = await failure(source)
    expect(story).toEqual(['error:2'])
    expect(message).not.toContain('secret')
  })

  test('includes a server that answers, but not to this page', async () => {
    const { url, requests } = await server((_, response) => response.end())
    vi.stubGlobal('location', new URL('http://page.test/'))
    const real = globalThis.fetch
    // What CORS is to a page: no answer to a request that would let it read one.
    vi.stubGlobal('fetch', (url: string, init: RequestInit) =>
      init.mode === 'no-cors' ? real(url, init) : Promise.reject(new TypeError('Failed to fetch')),
    )
    const source = open(url)
    const story = record(source)
    const { code, error } = await failure(source)
    expect([story, code, (error as { retriable?: boolean }).retriable]).toEqual([
      ['error:2'],
      'network',
      false,
    ])
    expect(requests.map(({ method, headers }) => [method, headers.cookie])).toEqual([
      ['HEAD', undefined],
    ])
  })

  test('does not include a server that was away for a moment', async () => {
    vi.stubGlobal('location', new URL('http://page.test/'))
    const { fetch, requests } = answering(
      new TypeError('Failed to fetch'),
      new Response(),
      stream(['data: 1\n\n'], 'stall'),
    )
    vi.stubGlobal('fetch', fetch)
    const source = open('http://localhost/')
    const story = record(source)
    await until(() => story.length === 2)
    expect(story).toEqual(['open:1', 'message:1:1'])
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'HEAD', 'GET'])
  })

  test.each([
    ['a server that does not answer at all', 'http://page.test/', false],
    ['one of the page’s own origin', 'http://localhost/', false],
    ['one that has answered before', 'http://page.test/', true],
  ])('does not include %s', async (_, page, before) => {
    vi.stubGlobal('location', new URL(page))
    vi.spyOn(Math, 'random').mockReturnValue(0)
    vi.useFakeTimers()
    const refused = new TypeError('Failed to fetch')
    const { fetch, requests } = answering(
      ...(before ? [stream(['retry: 100\n\n'])] : []),
      refused,
      page === 'http://page.test/' && !before ? refused : stream(['data: 1\n\n'], 'stall'),
      stream(['data: 1\n\n'], 'stall'),
    )
    vi.stubGlobal('fetch', fetch)
    const source = open('http://localhost/')
    const story = record(source)
    await vi.advanceTimersByTimeAsync(6000)
    expect(story).toEqual([
      ...(before ? ['open:1', 'error:0'] : []),
      'error:0',
      'open:1',
      'message:1:1',
    ])
    expect(requests.map(({ method }) => method)).toEqual(
      before
        ? ['GET', 'GET', 'GET']
        : page === 'http://page.test/'
          ? ['GET', 'HEAD', 'GET']
          : ['GET', 'GET'],
    )
  })
})

describe('close()', () => {
  test('before the request: none is sent', async () => {
    const { fetch, requests } = answering()
    const source = open('http://localhost/', { fetch })
    const story = record(source)
    source.close()
    expect(source.readyState).toBe(2)
    await settled()
    expect([requests.length, story]).toEqual([0, []])
  })

  test('before the response: nothing is fired, and the request is aborted', async () => {
    const { url, requests } = await server(() => {})
    const source = open(url)
    const story = record(source)
    await until(() => requests.length > 0)
    source.close()
    expect(source.readyState).toBe(2)
    await once((requests[0] as IncomingMessage).socket, 'close')
    expect(story).toEqual([])
  })

  test.each(['open', 'message'])('inside a listener of %s: nothing follows', async (type) => {
    const { url, requests } = await server(keeps('data: 1\n\ndata: 2\n\n'))
    const source = open(url)
    const story = record(source)
    source.addEventListener(type, () => source.close())
    source.addEventListener(type, () => story.push(`after:${source.readyState}`))
    await once(source, type)
    await once((requests[0] as IncomingMessage).socket, 'close')
    expect(story).toEqual([
      ...(type === 'open' ? [] : ['open:1']),
      ...(type === 'open' ? ['open:1'] : ['message:1:1']),
      'after:2',
    ])
  })

  test('inside a listener of error: no attempt follows', async () => {
    vi.useFakeTimers()
    const { fetch, requests } = answering(stream(['data: 1\n\n']))
    const source = open('http://localhost/', { fetch })
    const story = record(source)
    source.addEventListener('error', () => source.close())
    await vi.advanceTimersByTimeAsync(60_000)
    expect([requests.length, vi.getTimerCount(), story]).toEqual([
      1,
      0,
      ['open:1', 'message:1:1', 'error:0'],
    ])
    expect(source.readyState).toBe(2)
  })

  test('during the wait: no attempt follows', async () => {
    vi.useFakeTimers()
    const { fetch, requests } = answering(stream([]))
    const source = open('http://localhost/', { fetch })
    const story = record(source)
    await vi.advanceTimersByTimeAsync(10)
    expect(source.status).toBe('waiting')
    source.close()
    expect(source.readyState).toBe(2)
    await vi.advanceTimersByTimeAsync(60_000)
    expect([requests.length, vi.getTimerCount(), story]).toEqual([1, 0, ['open:1', 'error:0']])
  })

  test('between any two microtasks: nothing follows', async () => {
    const before = new Set<string>()
    for (let hops = 0; hops < 200; hops++) {
      const source = open('http://localhost/', answering(stream(['data: 1\n\ndata: 2\n\n'])))
      const story = record(source)
      for (let hop = 0; hop < hops; hop++) await undefined
      source.close()
      before.add(`${story}`)
      story.push('closed')
      await settled()
      expect(story.at(-1)).toBe('closed')
    }
    // The count of microtasks has met every stretch of the story.
    const whole = ['open:1', 'message:1:1', 'message:1:2', 'error:0']
    expect([...before]).toEqual(['', ...whole.map((_, i) => `${whole.slice(0, i + 1)}`)])
  })

  test('of a closed source changes nothing, and returns nothing', async () => {
    const source = open('about:blank')
    await failure(source)
    const story = record(source)
    expect([source.close(), source.close(), source.readyState]).toEqual([undefined, undefined, 2])
    await settled()
    expect(story).toEqual([])
  })

  test('is what a using block ends with', () => {
    let kept: EventSource
    {
      using source = idle()
      kept = source
    }
    expect(kept.readyState).toBe(2)
  })
})

test('docs/spec.md names tests that there are', () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
  const named: string[] = []
  for (const cell of read('../../docs/spec.md').split('|')) {
    // A title belongs to the file before it in its cell; without one it is the browser suite's.
    let file = '../browser/event-source/scenarios.js'
    for (const [, path, end, title] of cell.matchAll(/`([\w./-]+\.ts)`: |(;)|“([^”]+)”/g)) {
      if (path) file = `../${path}`
      if (end) file = '../browser/event-source/scenarios.js'
      if (!title) continue
      named.push(title)
      expect(read(file), `${file} has “${title}”`).toContain(title)
    }
  }
  expect(named).toContain('announces itself by an error event in the state CONNECTING')
})

function catching(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
}

/** Nothing that is under way in microtasks is under way any more. */
const settled = () => new Promise((resolve) => setImmediate(resolve))
