import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { bearer } from '../../src/auth/bearer'
import { SseError } from '../../src/errors'
import { EventSource, type EventSourceInit } from '../../src/faces/event-source'
import type { Attempt } from '../../src/transport/request'
import { OldAbortController } from '../support/abort-controller'
import { stream } from '../support/response'
import { serve } from '../support/server'

type Fetch = NonNullable<EventSourceInit['fetch']>

/** A source whose stream stays open, and whose posts are answered with these, in turn. */
function source(posts: (Response | Error)[], init: EventSourceInit = {}) {
  const sent: { url: string; init: RequestInit }[] = []
  const fetch: Fetch = async (url, init) => {
    if (init.method !== 'POST') return stream([], 'stall')
    sent.push({ url, init })
    const answer = posts.shift() ?? new Response()
    if (answer instanceof Error) throw answer
    return answer
  }
  const opened = new EventSource('http://test/feed?x=1', { ...init, fetch })
  return { sent, source: opened, [Symbol.dispose]: () => opened.close() }
}

const ok = () => new Response('taken', { status: 202 })
const refusal = (status: number, body = '') => new Response(body, { status })

test('an event is posted to a real server as JSON, with the headers of the stream', async () => {
  const posts: unknown[] = []
  const server = await serve(async (request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      return
    }
    const { method, url, headers } = request
    const { authorization, accept, 'content-type': type } = headers
    const body = JSON.parse((await request.toArray()).join(''))
    posts.push({ method, url, authorization, accept, type, body })
    response.writeHead(202).end('taken')
  })
  const headers = { authorization: 'Bearer 1' }
  const opened = new EventSource(`${server.url}/feed`, { headers })
  const response = await opened.send('chat', { text: 'hällo' })
  expect([response.status, await response.text()]).toEqual([202, 'taken'])
  expect(posts).toEqual([
    {
      method: 'POST',
      url: '/feed',
      authorization: 'Bearer 1',
      accept: '*/*',
      type: 'application/json',
      body: { type: 'chat', data: { text: 'hällo' } },
    },
  ])
  opened.close()
})

describe('the event goes', () => {
  test.each<[string, EventSourceInit, string]>([
    ['to the URL of the stream', {}, 'http://test/feed?x=1'],
    ['to sendUrl', { sendUrl: 'http://test/chat' }, 'http://test/chat'],
    ['to a sendUrl that only its fetch can resolve', { sendUrl: '/chat' }, '/chat'],
    ['to sendUrl as a URL', { sendUrl: new URL('http://other/chat') }, 'http://other/chat'],
  ])('%s', async (_, init, url) => {
    using opened = source([ok()], init)
    await opened.source.send('chat', 1)
    expect(opened.sent.map((call) => call.url)).toEqual([url])
  })

  test.each<[string, EventSourceInit, RequestInit, RequestInit]>([
    ['without cookies for other origins', {}, {}, { credentials: undefined }],
    ['with the cookies of the stream', { withCredentials: true }, {}, { credentials: 'include' }],
    [
      'with what the call says',
      { withCredentials: true },
      { credentials: 'omit', keepalive: true },
      { credentials: 'omit', keepalive: true },
    ],
  ])('%s', async (_, init, call, expected) => {
    using opened = source([ok()], init)
    await opened.source.send('chat', 1, call)
    expect(opened.sent.map(({ init }) => init)).toMatchObject([expected])
  })

  test.each([
    ['a string', 'x', '{"type":"chat","data":"x"}'],
    ['null', null, '{"type":"chat","data":null}'],
    ['nothing', undefined, '{"type":"chat"}'],
    ['an object', { a: [1] }, '{"type":"chat","data":{"a":[1]}}'],
  ])('with %s as its data', async (_, data, body) => {
    using opened = source([ok()])
    await opened.source.send('chat', data)
    expect(opened.sent[0]?.init.body).toBe(body)
  })

  test('without the last event ID, which is the stream’s business', async () => {
    using opened = source([ok()], { lastEventId: '7' })
    await opened.source.send('chat', 1)
    expect(new Headers(opened.sent[0]?.init.headers).has('last-event-id')).toBe(false)
  })

  test('from a closed source too', async () => {
    using opened = source([ok()])
    opened.source.close()
    expect((await opened.source.send('chat', 1)).status).toBe(202)
  })
})

describe('the headers function', () => {
  /** Tells its calls. */
  const tokens = (calls: string[]) => (attempt: Attempt) => {
    calls.push(`${attempt.number}:${attempt.error?.status ?? 'none'}`)
    return { authorization: `Bearer ${attempt.number}` }
  }

  test('is asked once more after a 401, with its error', async () => {
    const calls: string[] = []
    using opened = source([refusal(401, 'expired'), ok()], { headers: tokens(calls) })
    // Before the stream itself asks for them.
    opened.source.close()
    const response = await opened.source.send('chat', 1)
    expect(response.status).toBe(202)
    expect(calls).toEqual(['1:none', '2:401'])
    expect(opened.sent.map(({ init }) => new Headers(init.headers).get('authorization'))).toEqual([
      'Bearer 1',
      'Bearer 2',
    ])
  })

  test('sees what was refused, the second time', async () => {
    const seen: unknown[] = []
    using opened = source([refusal(401), ok()], {
      headers: ({ number, sent, unauthorized, signal, first, cursor }) => {
        seen.push([number, sent?.get('authorization'), unauthorized, signal.aborted, first, cursor])
        return { authorization: `Bearer ${number}` }
      },
    })
    opened.source.close()
    await opened.source.send('chat', 1)
    expect(seen).toEqual([
      [1, undefined, false, false, undefined, ''],
      [2, 'Bearer 1', true, false, undefined, ''],
    ])
  })

  test('learns by its signal that an attempt is over', async () => {
    const signals: AbortSignal[] = []
    using opened = source([refusal(401), ok()], {
      headers: ({ number, signal }) => {
        signals.push(signal)
        expect(signals.map(({ aborted }) => aborted)).toEqual(
          number === 1 ? [false] : [true, false],
        )
        return {}
      },
    })
    opened.source.close()
    const response = await opened.source.send('chat', 1)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    // The response is the caller's own, and not touched by that.
    expect(await response.text()).toBe('taken')
  })

  test('may be asked about other statuses', async () => {
    const init = { headers: tokens([]), authStatuses: [403] }
    using opened = source([refusal(403), ok()], init)
    expect((await opened.source.send('chat', 1)).status).toBe(202)
  })

  test('may be that of the URL: it is asked for each post', async () => {
    const fetched: string[] = []
    const fetch: Fetch = async (url, { method }) => {
      fetched.push(`${method} ${url}`)
      return fetched.length === 1 ? refusal(401) : ok()
    }
    using opened = new EventSource(({ number }) => `http://test/?ticket=${number}`, { fetch })
    opened.close()
    await opened.send('chat', 1)
    expect(fetched).toEqual(['POST http://test/?ticket=1', 'POST http://test/?ticket=2'])
  })

  test('is not asked a third time: the second 401 is the answer', async () => {
    using opened = source([refusal(401), refusal(401, 'no'), ok()], { headers: tokens([]) })
    await expect(opened.source.send('chat', 1)).rejects.toMatchObject({
      code: 'status',
      status: 401,
      body: 'no',
      attempt: 2,
    })
    expect(opened.sent).toHaveLength(2)
  })

  test('is not there to ask: the first 401 is the answer', async () => {
    using opened = source([refusal(401), ok()], { headers: { authorization: 'Bearer 1' } })
    await expect(opened.source.send('chat', 1)).rejects.toMatchObject({ status: 401, attempt: 1 })
    expect(opened.sent).toHaveLength(1)
  })

  test('that fails is an auth error', async () => {
    const cause = new Error('logged out')
    using opened = source([ok()], { headers: () => Promise.reject(cause) })
    opened.source.close()
    await expect(opened.source.send('chat', 1)).rejects.toMatchObject({
      code: 'auth',
      cause,
      attempt: 1,
    })
    expect(opened.sent).toEqual([])
  })
})

describe('what is not taken', () => {
  test.each([204, 200, 299])('is not the status %d', async (status) => {
    using opened = source([new Response(null, { status })])
    expect((await opened.source.send('chat', 1)).status).toBe(status)
  })

  test.each([304, 400, 404, 500, 503])(
    'rejects once with the status %d, and its text',
    async (status) => {
      const text = status === 304 ? null : 'because'
      using opened = source([new Response(text, { status }), ok()])
      const error = await opened.source.send('chat', 1).catch((error) => error)
      expect(error).toBeInstanceOf(SseError)
      expect(error).toMatchObject({
        code: 'status',
        message: __DEV__
          ? `Expected a 2xx status in answer to the event sent, got ${status}`
          : `status ${status}`,
        status,
        body: text ?? '',
        attempt: 1,
      })
      expect(opened.sent).toHaveLength(1)
    },
  )

  test('for a failure of the network is rejected with it', async () => {
    const cause = new TypeError('fetch failed')
    using opened = source([cause])
    const rejected = { code: 'network', cause, attempt: 1 }
    await expect(opened.source.send('chat', 1)).rejects.toMatchObject(rejected)
  })

  test('does not end the stream', async () => {
    using opened = source([refusal(500)])
    await new Promise((resolve) => opened.source.addEventListener('open', resolve))
    await expect(opened.source.send('chat', 1)).rejects.toThrow(SseError)
    expect(opened.source.readyState).toBe(EventSource.OPEN)
  })

  test('does not follow a redirect to another origin, because of its headers', async () => {
    const location = 'http://elsewhere/chat'
    const moved = new Response(null, { status: 307, headers: { location } })
    using opened = source([moved, ok()], { headers: { 'x-api-key': 'secret' } })
    await expect(opened.source.send('chat', 1)).rejects.toMatchObject({ code: 'redirect' })
    expect(opened.sent).toHaveLength(1)
  })

  test.each([
    ...(__DEV__
      ? [['an empty type', '', 1] as const, ['a type that is no string', 7 as never, 1] as const]
      : []),
    ['data that JSON cannot say', 'chat', 1n] as const,
  ])('is %s: a TypeError, and no request', async (_, type, data) => {
    using opened = source([ok()])
    await expect(opened.source.send(type, data)).rejects.toThrow(TypeError)
    expect(opened.sent).toEqual([])
  })
})

describe('a signal', () => {
  test('that is aborted already costs no request', async () => {
    using opened = source([ok()])
    const signal = AbortSignal.abort('enough')
    await expect(opened.source.send('chat', 1, { signal })).rejects.toBe('enough')
    expect(opened.sent).toEqual([])
  })

  test('aborts a headers function that hangs', async () => {
    const control = new AbortController()
    const headers = () => new Promise<never>(() => {})
    using opened = source([ok()], { headers })
    const sent = opened.source.send('chat', 1, { signal: control.signal })
    setImmediate(() => control.abort('enough'))
    await expect(sent).rejects.toBe('enough')
    expect(opened.sent).toEqual([])
    expect(getEventListeners(control.signal, 'abort')).toEqual([])
  })

  test.each([
    ['a server that is silent', undefined],
    ['an error page that trickles', 500],
  ])('aborts the wait for %s, and closes the socket', async (_, status) => {
    const control = new AbortController()
    const server = await serve((request, response) => {
      if (request.method === 'GET') return void response.writeHead(204).end()
      if (status) response.writeHead(status).write('half a p')
      setTimeout(() => control.abort('enough'), 50)
    })
    const opened = new EventSource(server.url)
    opened.close()
    const started = performance.now()
    await expect(opened.send('chat', 1, { signal: control.signal })).rejects.toBe('enough')
    expect(performance.now() - started).toBeLessThan(500)
    await server.socketsToBe(0)
  })

  test.each(['before', 'while it is under way'])(
    'rejects with an error where an older polyfill keeps no reason, %s',
    async (when) => {
      const control = new OldAbortController()
      const { signal } = control as unknown as AbortController
      if (when === 'before') control.abort()
      const fetch: Fetch = (_, { method }) =>
        method === 'POST' ? new Promise(() => {}) : Promise.resolve(stream([], 'stall'))
      const opened = new EventSource('http://test/feed', { fetch })
      const sent = opened.send('chat', 1, { signal })
      control.abort()
      await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
      expect(control.signal.listeners.size).toBe(0)
      opened.close()
    },
  )

  test('is let go of when the answer has come', async () => {
    const { signal } = new AbortController()
    using opened = source([ok(), refusal(500)])
    await opened.source.send('chat', 1, { signal })
    await opened.source.send('chat', 1, { signal }).catch(() => {})
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

test('a token of bearer() that is refused is refreshed', async () => {
  const seen: (string | undefined)[] = []
  const { url } = await serve((req, res) => {
    if (req.method === 'GET') {
      res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      return
    }
    seen.push(req.headers.authorization)
    res.writeHead(req.headers.authorization === 'Bearer t2' ? 204 : 401).end()
  })
  const headers = bearer({ token: 't1', refresh: async () => 't2' })
  using source = new EventSource(url, { headers })
  for (let sent = 0; sent < 2; sent++) await source.send('chat', sent)
  expect(seen).toEqual(['Bearer t1', 'Bearer t2', 'Bearer t2'])
})

test('bearer() leaves nothing on a signal that many events are sent with', async () => {
  const headers = bearer({ token: 't1', refresh: async () => 't2' })
  const { signal } = new AbortController()
  const { source: stream } = source([], { headers })
  for (let sent = 0; sent < 20; sent++) await stream.send('chat', sent, { signal })
  expect(getEventListeners(signal, 'abort')).toEqual([])
  stream.close()
})
