import { createServer, type Socket } from 'node:net'
import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import { type EventsOptions, events } from '../../src/faces/events'
import { body, stream } from '../support/response'
import { serve, serveRaw } from '../support/server'

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n'
const CHUNKED = `${HEAD}transfer-encoding: chunked\r\n\r\n`
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** What a stream tells: its events, then its end, or the code of its error. */
async function story(
  url: string,
  options: EventsOptions,
  onEvent?: (data: string) => void,
): Promise<string[]> {
  const told: string[] = []
  try {
    for await (const { type, data } of events(url, { onEnd: 'complete', ...options })) {
      told.push(`${type}:${data}`)
      onEvent?.(data)
    }
    told.push('end')
  } catch (error) {
    told.push(error instanceof SseError ? `error:${error.code}` : `${error}`)
  }
  return told
}

/** The error of a stream that fails before its first event. */
async function failure(url: string, options: EventsOptions = {}): Promise<SseError> {
  try {
    for await (const event of events(url, { retry: false, ...options }))
      return expect.fail(event.data)
  } catch (error) {
    return error as SseError
  }
  return expect.fail('the stream ended')
}

/** A `fetch` that answers with these, in turn. */
const answers = (...responses: Response[]) =>
  vi.fn(async (_url: string, _init: RequestInit) => responses.shift() as Response)

describe('a broken connection', () => {
  const rows: [string, wire: string, break_: (socket: Socket) => unknown, told: string[]][] = [
    ['reset before the headers', '', (socket) => socket.resetAndDestroy(), ['error:network']],
    ['closed before the headers', '', (socket) => socket.end(), ['error:network']],
    ['reset within the headers', HEAD, (socket) => socket.resetAndDestroy(), ['error:network']],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n', (socket) => socket.end(), ['error:network']],
    [
      'reset within the body',
      CHUNKED + chunk('data: 1\n\n'),
      (socket) => socket.resetAndDestroy(),
      ['message:1', 'error:network'],
    ],
    [
      'closed within a chunk',
      `${CHUNKED}${chunk('data: 1\n\n')}ff\r\ndata: 2\n\n`,
      (socket) => socket.end(),
      ['message:1', 'message:2', 'error:network'],
    ],
    [
      'closed before the last chunk',
      CHUNKED + chunk('data: 1\n\n'),
      (socket) => socket.end(),
      ['message:1', 'error:network'],
    ],
    [
      'closed before content-length is reached',
      `${HEAD}content-length: 99\r\n\r\ndata: 1\n\n`,
      (socket) => socket.end(),
      ['message:1', 'error:network'],
    ],
    [
      'closed where content-length ends',
      `${HEAD}content-length: 9\r\n\r\ndata: 1\n\n`,
      (socket) => socket.end(),
      ['message:1', 'end'],
    ],
    [
      'closed where the close itself ends the body',
      `${HEAD}connection: close\r\n\r\ndata: 1\n\n`,
      (socket) => socket.end(),
      ['message:1', 'end'],
    ],
  ]
  test.each(rows)('%s', async (_, wire, breakIt, told) => {
    let line: Socket | undefined
    const server = await serveRaw((socket) => {
      line = socket
      socket.once('data', () => {
        if (wire) socket.write(wire)
        if (!told.includes('message:1')) breakIt(socket)
      })
    })
    const last = told.filter((entry) => entry.startsWith('message')).length
    const read = story(server.url, { retry: false }, (data) => {
      if (data === `${last}`) breakIt(line as Socket)
    })
    expect(await read).toEqual(told)
    await server.socketsToBe(0)
  })

  test('is repaired by a retry that resumes after the last event delivered', async () => {
    const asked: (string | undefined)[] = []
    const server = await serve((request, response) => {
      asked.push(request.headers['last-event-id'] as string | undefined)
      const id = asked.length
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      // The second event is cut off: it has not been.
      response.write(`id: ${id}\ndata: ${id}\n\nid: 9\ndata: lost\n`)
    })
    const told = await story(server.url, { retry: { delay: 0 }, until: '3' }, () => {
      for (const socket of server.sockets) socket.destroy()
    })
    expect(told).toEqual(['message:1', 'message:2', 'end'])
    expect(asked).toEqual([undefined, '1', '2'])
  })
})

describe('the runtime’s own failure', () => {
  const freePort = async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    return port
  }

  test.each(['127.0.0.1', 'localhost'])(
    'a refused connection to %s is named in the message',
    async (host) => {
      const error = await failure(`http://${host}:${await freePort()}`)
      expect(error).toMatchObject({ code: 'network', retriable: true, attempt: 1 })
      expect(error.message).toContain('(ECONNREFUSED)')
      expect(error.cause).toBeInstanceOf(TypeError)
    },
  )

  test('a host name that does not resolve is named in the message', async () => {
    const error = await failure('http://nobody.invalid/')
    expect(error.code).toBe('network')
    expect(error.message).toMatch(/\((ENOTFOUND|EAI_AGAIN)\)/)
  })

  test('a number for a code, as a DOMException has, is not told', async () => {
    const cause = new DOMException('A network error occurred.', 'NetworkError')
    const error = await failure('http://test/', { fetch: () => Promise.reject(cause) })
    expect(error.message).not.toContain('19')
  })

  const lost: [string, unknown, string][] = [
    [
      'Node’s 300 s body timeout',
      Object.assign(new Error('Body Timeout Error'), { code: 'UND_ERR_BODY_TIMEOUT' }),
      '(UND_ERR_BODY_TIMEOUT)',
    ],
    [
      'a server that hangs up',
      Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }),
      '(UND_ERR_SOCKET)',
    ],
  ]
  test.each(lost)('%s: "terminated" is told with its code, and retried', async (_, cause, code) => {
    const terminated = new TypeError('terminated', { cause })
    const fetch = answers(stream(['data: 1\n\n'], terminated), stream(['data: 2\n\n']))
    const seen: (SseError | undefined)[] = []
    const onReconnect = ({ error }: { error: SseError | undefined }) => seen.push(error)
    const told = await story('http://test/', { fetch, retry: { delay: 0 }, onReconnect })
    expect(told).toEqual(['message:1', 'message:2', 'end'])
    // Its status is no refusal: consumers take a number for one.
    expect(seen).toMatchObject([{ code: 'network', status: undefined, cause: terminated }])
    expect(seen[0]?.response?.status).toBe(200)
    expect(seen[0]?.message).toContain(code)
  })

  test.each([undefined, null, 'gone', new TypeError('Failed to fetch')])(
    'one without a code, %s, is the cause of a network error',
    async (cause) => {
      const error = await failure('http://test/', { fetch: () => Promise.reject(cause) })
      expect(error).toMatchObject({ code: 'network', cause })
      expect(error.message).not.toContain('undefined')
    },
  )
})

test('a fetch that throws, rather than rejects, has failed too', async () => {
  const cause = new TypeError('Illegal invocation')
  const fetch = () => {
    throw cause
  }
  expect(await failure('http://test/', { fetch })).toMatchObject({ code: 'network', cause })
})

test('a fetch that throws an SseError has the last word', async () => {
  const error = new SseError('refused', 'the proxy says no')
  expect(await failure('http://test/', { fetch: () => Promise.reject(error) })).toBe(error)
})

describe('silence', () => {
  test('without headers for connectTimeout is a timeout, and closes the socket', async () => {
    const server = await serveRaw((socket) => socket.resume())
    expect(await story(server.url, { retry: false, connectTimeout: 30 })).toEqual(['error:timeout'])
    await server.socketsToBe(0)
  })

  test('within the headers is a timeout too', async () => {
    const server = await serveRaw((socket) => socket.once('data', () => socket.write(HEAD)))
    expect(await story(server.url, { retry: false, connectTimeout: 30 })).toEqual(['error:timeout'])
    await server.socketsToBe(0)
  })

  test('of a fetch that ignores its signal is a timeout too, and the late response is dropped', async () => {
    const cancel = vi.fn()
    let answer: (response: Response) => void = () => {}
    const fetch = () => new Promise<Response>((resolve) => (answer = resolve))
    expect(await story('http://test/', { fetch, retry: false, connectTimeout: 10 })).toEqual([
      'error:timeout',
    ])
    answer(new Response(new ReadableStream({ cancel })))
    await vi.waitFor(() => expect(cancel).toHaveBeenCalledTimes(1))
  })

  test('for connectTimeout counts no longer once the headers have come', async () => {
    vi.useFakeTimers()
    const fetch = answers(stream([], 'stall'))
    const ended = vi.fn()
    const source = events('http://test/', { fetch, retry: false, connectTimeout: 100 })
    source[Symbol.asyncIterator]().next().then(ended, ended)
    await vi.advanceTimersByTimeAsync(100_000)
    expect([source.status, ended.mock.calls]).toEqual(['open', []])
    // The one that looks for a sleep of the machine, for all sessions.
    expect(vi.getTimerCount()).toBe(1)
    source.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('after an event for idleTimeout is idle, and closes the socket', async () => {
    const server = await serveRaw((socket) =>
      socket.once('data', () => socket.write(CHUNKED + chunk('data: 1\n\n'))),
    )
    expect(await story(server.url, { retry: false, idleTimeout: 30 })).toEqual([
      'message:1',
      'error:idle',
    ])
    await server.socketsToBe(0)
  })

  test('is measured from the last byte, be it a comment or half a line', async () => {
    vi.useFakeTimers()
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const fetch = answers(
      new Response(readable, { headers: { 'content-type': 'text/event-stream' } }),
    )
    const told = story('http://test/', { fetch, retry: false, idleTimeout: 100 })
    const ended = vi.fn()
    told.then(ended)
    for (const text of [':\n', 'da', 'ta: 1\n', '\n']) {
      await vi.advanceTimersByTimeAsync(99)
      await writer.write(new TextEncoder().encode(text))
    }
    await vi.advanceTimersByTimeAsync(99)
    expect(ended).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(await told).toEqual(['message:1', 'error:idle'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is the server’s, not that of a slow consumer', async () => {
    vi.useFakeTimers()
    const fetch = answers(stream(['data: 1\n\n', 'data: 2\n\n'], 'stall'))
    const iterator = events('http://test/', { fetch, retry: false, idleTimeout: 100 })[
      Symbol.asyncIterator
    ]()
    expect((await iterator.next()).value?.data).toBe('1')
    await vi.advanceTimersByTimeAsync(100_000)
    expect((await iterator.next()).value?.data).toBe('2')
    await vi.advanceTimersByTimeAsync(100_000)
    const idle = expect(iterator.next()).rejects.toMatchObject({
      code: 'idle',
      status: undefined,
      response: { status: 200 },
    })
    await vi.advanceTimersByTimeAsync(100)
    await idle
  })

  test('is watched by one timer, not by one a chunk', async () => {
    vi.useFakeTimers()
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const chunks = Array.from({ length: 1000 }, (_, i) => `data: ${i}\n\n`)
    const told = await story('http://test/', { fetch: answers(stream(chunks)), idleTimeout: 100 })
    expect(told).toHaveLength(1001)
    // Beside the one by which the development build watches for the answer.
    expect(timers.mock.calls.filter(([, delay]) => delay !== 15_000)).toHaveLength(1)
    timers.mockRestore()
  })

  test('of a body whose fetch ignores the signal is idle too', async () => {
    const cancel = vi.fn()
    const open = new Response(new ReadableStream({ cancel }), {
      headers: { 'content-type': 'text/event-stream' },
    })
    const told = story('http://test/', { fetch: answers(open), retry: false, idleTimeout: 10 })
    expect(await told).toEqual(['error:idle'])
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  test.each([2 ** 31, Number.MAX_SAFE_INTEGER])(
    'for %d ms, more than a timer can keep, does not fire at once',
    async (limit) => {
      vi.useFakeTimers()
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
      const response = new Response(readable, { headers: { 'content-type': 'text/event-stream' } })
      let answer: (response: Response) => void = () => {}
      const fetch = () => new Promise<Response>((resolve) => (answer = resolve))
      const options = { fetch, retry: false, connectTimeout: limit, idleTimeout: limit } as const
      const told = story('http://test/', options)
      await vi.advanceTimersByTimeAsync(60_000)
      answer(response)
      const timers = vi.spyOn(globalThis, 'setTimeout')
      await vi.advanceTimersByTimeAsync(60_000)
      const writer = writable.getWriter()
      writer.write(new TextEncoder().encode('data: 1\n\n'))
      writer.close()
      expect(await told).toEqual(['message:1', 'end'])
      // The first, and the looks for a sleep of the machine.
      expect(timers).toHaveBeenCalledTimes(1 + 6)
      timers.mockRestore()
    },
  )
})

describe('a refused response', () => {
  test('gives its status and text, and frees its socket', async () => {
    const server = await serve((_, response) => {
      response
        .writeHead(403, 'Members Only', { connection: 'close' })
        .end('<h1>Log in — bitte</h1>')
    })
    const error = await failure(server.url)
    expect(error).toMatchObject({
      code: 'status',
      message: 'Expected status 200, got 403 Members Only',
      status: 403,
      body: '<h1>Log in — bitte</h1>',
      retriable: false,
      attempt: 1,
    })
    expect(error.response?.status).toBe(403)
    await server.socketsToBe(0)
  })

  test('of HTML with status 200 says that it may be a login page', async () => {
    const server = await serve((_, response) => {
      response
        .writeHead(200, { 'content-type': 'text/html; charset=utf-8', connection: 'close' })
        .end('<form>')
    })
    expect(await failure(server.url)).toMatchObject({
      code: 'content-type',
      message:
        'Expected content-type text/event-stream, got text/html; charset=utf-8: a login page, or the wrong URL?',
      status: 200,
      body: '<form>',
      retriable: false,
    })
    await server.socketsToBe(0)
  })

  test('with no content type says so', async () => {
    const server = await serve((_, response) => response.end('data: 1\n\n'))
    const error = await failure(server.url)
    expect(error.message).toBe('Expected content-type text/event-stream, got none')
  })

  test('that trickles for ever is read for one second', async () => {
    const server = await serve((_, response) => {
      response.writeHead(500)
      const timer = setInterval(() => response.write('ha'), 20)
      response.on('close', () => clearInterval(timer))
    })
    const started = performance.now()
    const error = await failure(server.url)
    expect(performance.now() - started).toBeLessThan(2000)
    expect(error).toMatchObject({ code: 'status', status: 500 })
    expect(error.body).toMatch(/^(ha){10,50}$/)
    await server.socketsToBe(0)
  })

  test('that is huge is read up to 64 KiB', async () => {
    const server = await serve((_, response) => {
      response.writeHead(500)
      response.end(Buffer.alloc(1 << 26, 'x'))
    })
    expect((await failure(server.url)).body).toHaveLength(65_536)
    await server.socketsToBe(0)
  })

  test('of just 64 KiB that stays open is not waited for', async () => {
    vi.useFakeTimers()
    const fetch = answers(new Response(body(['x'.repeat(65_536)], 'stall'), { status: 500 }))
    expect((await failure('http://test/', { fetch })).body).toHaveLength(65_536)
    expect(vi.getTimerCount()).toBe(0)
  })

  const pages: [string, Response, string | undefined][] = [
    [
      'cut inside a character',
      new Response(`${'x'.repeat(65_535)}…`, { status: 500 }),
      'x'.repeat(65_535),
    ],
    ['in many chunks', new Response(body(['no', 'pe', '…']), { status: 500 }), 'nope…'],
    [
      'that breaks',
      new Response(body(['half'], new TypeError('terminated')), { status: 500 }),
      'half',
    ],
    ['without a body', new Response(null, { status: 500 }), ''],
    ['whose body is undefined', { status: 500, headers: new Headers() } as Response, ''],
    [
      'whose body is of no standard kind',
      { status: 500, headers: new Headers(), body: {} } as Response,
      '',
    ],
  ]
  test.each(pages)('%s keeps its status', async (_, response, text) => {
    const error = await failure('http://test/', { fetch: answers(response) })
    expect(error).toMatchObject({ code: 'status', status: 500, body: text })
  })

  test('gives the whole of a JSON text of 7 kB', async () => {
    const problem = { error: 'quota', detail: 'x'.repeat(7000) }
    const server = await serve((_, response) => {
      response.writeHead(402, { 'content-type': 'application/json' }).end(JSON.stringify(problem))
    })
    const { body } = await failure(server.url)
    expect(JSON.parse(body as string)).toEqual(problem)
  })

  test('that accept has read keeps its status, without the text', async () => {
    const fetch = answers(new Response('no', { status: 500 }))
    const accept = async (response: Response) => {
      response.body?.getReader()
      return false
    }
    expect(await failure('http://test/', { fetch, accept })).toMatchObject({
      code: 'status',
      status: 500,
      body: '',
    })
  })

  test('is not read on after a stop, though its fetch ignores the signal', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const cancel = vi.fn()
    const control = new AbortController()
    const pull = () => control.abort('enough')
    const page = new ReadableStream({ pull, cancel }, { highWaterMark: 0 })
    const fetch = answers(new Response(page, { status: 500 }))
    expect(await story('http://test/', { fetch, signal: control.signal })).toEqual(['enough'])
    await vi.waitFor(() => expect(cancel).toHaveBeenCalledTimes(1))
    expect(vi.getTimerCount()).toBe(0)
  })

  test('by onOpen may have a body of no standard kind', async () => {
    const headers = new Headers({ 'content-type': 'text/event-stream' })
    const fetch = answers({ status: 200, headers, body: {} } as Response)
    const onOpen = () => Promise.reject(new Error('not for me'))
    expect(await failure('http://test/', { fetch, onOpen })).toMatchObject({ code: 'refused' })
  })

  test('by onOpen has the thrown error as its cause, and its socket is freed', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    })
    const cause = new Error('not for me')
    const onOpen = () => Promise.reject(cause)
    expect(await failure(server.url, { onOpen })).toMatchObject({
      code: 'refused',
      cause,
      status: 200,
    })
    await server.socketsToBe(0)
  })
})

describe('a response', () => {
  test.each([200, 201, 202])('of status %d is an event stream', async (status) => {
    const headers = { 'content-type': 'text/event-stream' }
    const fetch = answers(new Response('data: 1\n\n', { status, headers }))
    expect(await story('http://test/', { fetch, json: 1 })).toEqual(['message:1', 'end'])
  })

  test.each([203, 205, 206, 299])('of status %d is none', async (status) => {
    const headers = { 'content-type': 'text/event-stream' }
    const fetch = answers(new Response(status === 205 ? null : 'data: 1\n\n', { status, headers }))
    expect(await failure('http://test/', { fetch })).toMatchObject({ code: 'status', status })
  })

  const types = [
    'text/event-stream',
    'text/event-stream; charset=utf-8',
    'Text/Event-Stream;CHARSET="UTF-8"',
    ' text/event-stream ; foo=bar',
    'text/plain, text/event-stream',
  ]
  test.each(types)('of the content type %j is an event stream', async (type) => {
    const server = await serveRaw((socket) =>
      socket.once('data', () =>
        socket.end(
          `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nConnection: close\r\n\r\ndata: 1\n\n`,
        ),
      ),
    )
    expect(await story(server.url, { retry: false })).toEqual(['message:1', 'end'])
  })

  test.each([
    'text/event-streams',
    'text/event-stream, text/plain',
    'application/text/event-stream',
  ])('of the content type %j is none', async (type) => {
    const fetch = answers(new Response('data: 1\n\n', { headers: { 'content-type': type } }))
    expect(await failure('http://test/', { fetch })).toMatchObject({ code: 'content-type' })
  })

  test('without a body is an empty stream', async () => {
    const fetch = answers(new Response(null, { headers: { 'content-type': 'text/event-stream' } }))
    expect(await story('http://test/', { fetch })).toEqual(['end'])
  })

  const unusable: [string, unknown, string][] = [
    [
      'whose body cannot be streamed, as in React Native',
      { status: 200, headers: new Headers({ 'content-type': 'text/event-stream' }) },
      'TypeError: Expected a Response whose body is a ReadableStream, got none. Pass a fetch that streams',
    ],
    ['that is none', undefined, 'TypeError: Expected fetch to return a Response, got undefined'],
    ['that is text', 'data: 1', 'TypeError: Expected fetch to return a Response, got string'],
  ]
  test.each(unusable)('%s is a mistake, and not retried', async (_, response, told) => {
    const fetch = answers(response as Response)
    expect(await story('http://test/', { fetch })).toEqual([told])
  })

  test('that comes after the abort is cancelled, though its fetch ignored the signal', async () => {
    const cancel = vi.fn()
    let answer: (response: Response) => void = () => {}
    const called = vi.fn()
    const fetch = () => {
      called()
      return new Promise<Response>((resolve) => (answer = resolve))
    }
    const control = new AbortController()
    const told = story('http://test/', { fetch, signal: control.signal })
    await vi.waitFor(() => expect(called).toHaveBeenCalled())
    control.abort('enough')
    expect(await told).toEqual(['enough'])
    answer(new Response(new ReadableStream({ cancel })))
    await vi.waitFor(() => expect(cancel).toHaveBeenCalledTimes(1))
  })

  test('that comes in the same turn as the abort is cancelled', async () => {
    const cancel = vi.fn()
    const control = new AbortController()
    const fetch = async () => {
      // After the response has come, before anybody has got it.
      Promise.resolve().then(() => control.abort('enough'))
      return new Response(new ReadableStream({ cancel }), {
        headers: { 'content-type': 'text/event-stream' },
      })
    }
    expect(await story('http://test/', { fetch, signal: control.signal })).toEqual(['enough'])
    await vi.waitFor(() => expect(cancel).toHaveBeenCalledTimes(1))
  })

  test('that onOpen is looking at when the abort comes is cancelled', async () => {
    const cancel = vi.fn()
    const control = new AbortController()
    const fetch = answers(
      new Response(new ReadableStream({ cancel }), {
        headers: { 'content-type': 'text/event-stream' },
      }),
    )
    const onOpen = () => {
      control.abort('enough')
      return new Promise(() => {})
    }
    expect(await story('http://test/', { fetch, signal: control.signal, onOpen })).toEqual([
      'enough',
    ])
    await vi.waitFor(() => expect(cancel).toHaveBeenCalledTimes(1))
  })

  test('of msw, whose pending read outlives an abort, does not hold the stream up', async () => {
    const open = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
      cancel: () => new Promise(() => {}),
    })
    const msw = setupServer(
      http.get(
        'http://msw.test/',
        () => new HttpResponse(open, { headers: { 'content-type': 'text/event-stream' } }),
      ),
    )
    msw.listen()
    onTestFinished(() => msw.close())
    const control = new AbortController()
    const told = await story('http://msw.test/', { signal: control.signal }, () =>
      setImmediate(() => control.abort('enough')),
    )
    expect(told).toEqual(['message:1', 'enough'])
  })
})

describe('an open stream', () => {
  const headers = { 'content-type': 'text/event-stream' }

  test('gives the events before one that is too large', async () => {
    const asked: (string | null)[] = []
    const fetch = async (_: string, init: RequestInit) => {
      asked.push(new Headers(init.headers).get('last-event-id'))
      return new Response(`id: 1\ndata: 1\n\nid: 2\ndata: ${'x'.repeat(99)}\n\n`, { headers })
    }
    const stream = events('http://test/', { fetch, maxEventSize: 50 })
    const told: string[] = []
    const read = async () => {
      for await (const { data } of stream) told.push(data)
    }
    await expect(read()).rejects.toMatchObject({ code: 'too-large', retriable: false })
    expect(told).toEqual(['1'])
    expect(stream.lastEventId).toBe('1')
    expect(asked).toEqual([null])
  })

  test('reports a comment at its place between the events of one chunk', async () => {
    const told: string[] = []
    const fetch = answers(stream(['data: first\n\n: note\ndata: second\n\n']))
    const options = {
      fetch,
      onEnd: 'complete',
      onComment: (text: string) => told.push(text),
    } as const
    for await (const { data } of events('http://test/', options)) told.push(data)
    expect(told).toEqual(['first', 'note', 'second'])
  })

  test('hands its last event ID and its reconnection time on to the next connection', async () => {
    const asked: (string | null)[] = []
    // Blocks without data: no event, but the place moves.
    const answers = ['id: 1\nretry: 7\n\n', 'id: 2\n\n', 'data: 3\n\n']
    const fetch = async (_: string, init: RequestInit) => {
      asked.push(new Headers(init.headers).get('last-event-id'))
      return new Response(answers[asked.length - 1], { headers })
    }
    const stream = events('http://test/', { fetch, retry: { delay: 0, jitter: 0 } })
    for await (const { lastEventId } of stream) {
      expect(lastEventId).toBe('2')
      break
    }
    expect(asked).toEqual([null, '1', '2'])
    expect(stream.reconnectionTime).toBe(7)
  })
})

describe('a flood of chunks that are all there', () => {
  const FLOOD = 100_000
  test.each([
    ['events', 'data: 1\n\n'],
    ['comments', ':\n'],
    ['halves of a line', 'a'],
    ['events, in a runtime without MessageChannel,', 'data: 1\n\n'],
  ])('of %s does not keep a timer from firing', async (name, text) => {
    if (name.includes('without')) vi.stubGlobal('MessageChannel', undefined)
    let left = FLOOD
    const flood = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- > 0) controller.enqueue(new TextEncoder().encode(text))
        else controller.close()
      },
    })
    const response = new Response(flood, { headers: { 'content-type': 'text/event-stream' } })
    const ports = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort')
    let leftAtTimer = 0
    setTimeout(() => {
      leftAtTimer = left
    })
    await story('http://test/', { fetch: answers(response) })
    expect(leftAtTimer).toBeGreaterThan(0)
    expect(left).toBeLessThan(0)
    await vi.waitFor(() => expect(ports()).toEqual([]))
  })
})

test('nothing of the caller’s is called once the stream is stopped, in whichever microtask', async () => {
  for (let ticks = 0; ticks < 60; ticks++) {
    const late: string[] = []
    let stopped = false
    const watched = async <T>(name: string, value: T): Promise<T> => {
      if (stopped) late.push(name)
      return value
    }
    const source = events('http://test/', {
      headers: () => watched('headers', {}),
      accept: () => watched('accept', true),
      onOpen: () => watched('onOpen', undefined),
      fetch: () => watched('fetch', stream([], 'stall')),
    })
    const next = source[Symbol.asyncIterator]().next()
    for (let tick = 0; tick < ticks; tick++) await undefined
    source.close()
    stopped = true
    await next
    expect([ticks, late]).toEqual([ticks, []])
  }
})
