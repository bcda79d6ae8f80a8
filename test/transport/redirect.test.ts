import { afterEach, describe, expect, test, vi } from 'vitest'
import type { SseError } from '../../src/errors'
import { type EventsOptions, events } from '../../src/faces/events'
import type { EventsInput } from '../../src/transport/request'
import { follow } from '../support/fetch'
import { body, stream } from '../support/response'
import { serve } from '../support/server'

const HEAD = { 'content-type': 'text/event-stream' }
const headers = { 'x-key': 'secret' }

afterEach(() => {
  vi.unstubAllGlobals()
})

/** Redirects `/from` to `location`; tells what it is asked for, and streams everything else. */
async function redirects(status: number, location: string) {
  const asked: string[] = []
  const server = await serve(async (request, response) => {
    const { method, url, headers } = request
    const sent = (await request.toArray()).join('')
    const key = headers.authorization ?? headers['x-key']
    asked.push([method, url, key, headers['content-type'], sent].filter(Boolean).join(' '))
    const redirected = url?.startsWith('/from') && { location }
    response.writeHead(redirected ? status : 200, { ...HEAD, ...redirected })
    response.end(redirected ? '' : 'data: 1\n\n')
  })
  return { from: `${server.url}/from`, to: `${server.url}/to`, asked, server }
}

async function story(input: EventsInput, options: EventsOptions): Promise<string[]> {
  const told: string[] = []
  await follow(events(input, { onEnd: 'complete', retry: false, ...options }), told)
  return told
}

/** The error of a stream that fails before its first event. */
async function failure(url: string, options: EventsOptions): Promise<SseError> {
  const stream = events(url, { retry: false, ...options })
  return stream[Symbol.asyncIterator]()
    .next()
    .then(
      () => expect.fail('no failure'),
      (error) => error,
    )
}

describe('within the origin', () => {
  test.each([301, 302, 303, 307, 308])('a %d is followed, headers and all', async (status) => {
    const { from, asked } = await redirects(status, '/to')
    expect(await story(from, { headers })).toEqual(['message:1', 'done'])
    expect(asked).toEqual(['GET /from secret', 'GET /to secret'])
  })

  const sent = 'secret application/json {}'
  test.each([
    [302, 'PUT'],
    [301, 'DELETE'],
    [307, 'POST'],
    [308, 'PUT'],
    [302, 'OPTIONS'],
  ])('a %d of a %s keeps its method and body', async (status, method) => {
    const { from, asked } = await redirects(status, '/to')
    expect(await story(from, { method, headers, json: {} })).toEqual(['message:1', 'done'])
    expect(asked).toEqual([`${method} /from ${sent}`, `${method} /to ${sent}`])
  })

  // A login page that answers GET, or a moved endpoint: the body would be lost without a word.
  const turned: [status: number, method: string][] = [
    [301, 'POST'],
    [302, 'post'],
    [303, 'POST'],
    [303, 'PUT'],
  ]
  test.each(turned)('a %d that would make a GET of a %s is refused', async (status, method) => {
    for (const own of [{ headers }, {}]) {
      const { from, to, asked } = await redirects(status, '/to')
      expect(await failure(from, { method, json: {}, ...own })).toMatchObject({
        code: 'redirect',
        location: to,
        retriable: false,
      })
      expect(asked).toHaveLength(1)
    }
  })

  test('a 302 that makes a GET of a POST is followed where the caller says so', async () => {
    const { from, asked } = await redirects(302, '/to')
    const told = await story(from, { json: {}, headers, redirect: 'follow' })
    expect(told).toEqual(['message:1', 'done'])
    expect(asked.at(-1)).toBe('GET /to secret')
  })

  test('one that goes round in circles is left after the twentieth', async () => {
    const { from, asked } = await redirects(302, '/from')
    expect(await failure(from, { headers })).toMatchObject({ code: 'redirect', location: from })
    expect(asked).toHaveLength(21)
  })

  test('one has a body that is dropped, however long it is', async () => {
    const server = await serve((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: '/to' }).write('see there')
      else response.writeHead(200, HEAD).write('data: 1\n\n')
    })
    for await (const _ of events(server.url, { headers })) {
      await server.socketsToBe(1)
      break
    }
    await server.socketsToBe(0)
  })

  test('one is not remembered: a reconnect goes to the original URL', async () => {
    const { from, asked } = await redirects(302, '/to')
    const options = { headers, onEnd: 'reconnect', retry: { delay: 0, maxRetries: 1 } } as const
    for await (const _ of events(from, options)) if (asked.length === 4) break
    expect(asked).toEqual([...Array(2)].flatMap(() => ['GET /from secret', 'GET /to secret']))
  })

  test('one that the caller forbids is met as fetch meets it', async () => {
    const { from, asked } = await redirects(302, '/to')
    expect(await story(from, { headers, redirect: 'error' })).toEqual(['throws:network'])
    expect(asked).toEqual(['GET /from secret'])
  })

  test('one without a location is a refused response', async () => {
    const fetch = async () => new Response(null, { status: 302 })
    expect(await failure('http://test/', { fetch, headers })).toMatchObject({
      code: 'status',
      status: 302,
    })
  })
})

describe('to another origin', () => {
  const inputs: [string, (url: string) => [EventsInput, EventsOptions]][] = [
    ['an object', (url) => [url, { headers }]],
    ['a function', (url) => [url, { headers: async () => headers }]],
    ['pairs', (url) => [() => url, { headers: Object.entries(headers) }]],
    ['a token', (url) => [url, { headers: { Authorization: 'secret' } }]],
    [
      'a name that every object has',
      (url) => [url, { headers: { constructor: 'x', 'x-key': 'secret' } as never }],
    ],
  ]
  for (const [name, input] of inputs) {
    test.each([301, 302, 303, 307, 308])(
      `headers given as ${name} are never sent by a %d`,
      async (status) => {
        const other = await redirects(200, '')
        const { from, asked } = await redirects(status, `${other.to}?token=t`)
        expect(await story(...input(from))).toEqual(['throws:redirect'])
        expect([asked, other.asked]).toEqual([['GET /from secret'], []])
      },
    )
  }

  test('they are not sent by a Node that has a location either', async () => {
    vi.stubGlobal('location', new URL('http://test/'))
    const other = await redirects(200, '')
    const { from } = await redirects(302, other.to)
    expect(await failure(from, { headers })).toMatchObject({
      code: 'redirect',
      location: other.to,
    })
    expect(other.asked).toEqual([])
  })

  test('the error tells where it leads, and its message the origins alone', async () => {
    const other = await redirects(200, '')
    const { from, server } = await redirects(307, `${other.to}?token=s3cret`)
    const error = await failure(`${from}?token=s3cret`, { headers })
    expect(error).toMatchObject({
      code: 'redirect',
      retriable: false,
      location: `${other.to}?token=s3cret`,
      response: { status: 307 },
    })
    expect(error.message).toContain(new URL(other.to).origin)
    expect(error.message).not.toMatch(/s3cret|\/from|\/to/)
    expect([...server.sockets].filter(({ readyState }) => readyState !== 'open')).toEqual([])
  })

  test.each<[string, EventsOptions, string]>([
    ['where the caller has no headers', {}, 'GET /to'],
    ["with redirect: 'follow'", { headers, redirect: 'follow' }, 'GET /to secret'],
    [
      "with redirect: 'follow', but Authorization, which fetch takes off",
      { headers: { Authorization: 'Bearer t' }, redirect: 'follow' },
      'GET /to',
    ],
    ['where the body of a POST is all there is', { json: 1 }, 'POST /to application/json 1'],
    ['with the last event ID, which is ours', { lastEventId: '7' }, 'GET /to'],
  ])('one is followed %s', async (_, options, seen) => {
    const other = await redirects(200, '')
    const { from } = await redirects(307, other.to)
    expect(await story(from, options)).toEqual(['message:1', 'done'])
    expect(other.asked).toEqual([seen])
  })

  test.each(['http://[', 'data:text/event-stream,data:1'])(
    'one to %s is refused',
    async (target) => {
      const { from } = await redirects(302, target)
      expect(await failure(from, { headers })).toMatchObject({ code: 'redirect', location: target })
    },
  )
})

describe('in a page, where a script sees a redirect once it has been followed', () => {
  const page = () => {
    vi.stubGlobal('location', new URL('http://test/'))
    vi.stubGlobal('process', undefined)
  }
  const redirected = (url: string, cancel = () => {}) => {
    const response = new Response(new ReadableStream({ cancel }), { headers: HEAD })
    return Object.defineProperties(response, { redirected: { value: true }, url: { value: url } })
  }

  test('it is refused if it led to another origin, and its body is dropped', async () => {
    page()
    const cancel = vi.fn()
    const fetch = vi.fn(async (_: string, __: RequestInit) =>
      redirected('http://elsewhere/', cancel),
    )
    const error = await failure('http://test/', { fetch, headers })
    expect(error).toMatchObject({ code: 'redirect', location: 'http://elsewhere/' })
    expect(fetch.mock.calls[0]?.[1].redirect).toBe(undefined)
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  test('it is fine within the origin, and where the caller has no headers', async () => {
    page()
    for (const [url, own] of [
      ['http://test/elsewhere', { headers }],
      ['http://elsewhere/', {}],
    ] as const) {
      const fetch = async () => redirected(url)
      const onOpen = () => Promise.reject(new Error('let in'))
      expect(await failure('http://test/', { fetch, onOpen, ...own })).toMatchObject({
        code: 'refused',
        cause: { message: 'let in' },
      })
    }
  })

  // A window of Electron's has a `process` as well, and its fetch hides what it did not follow.
  const hiding = (then: Response) => {
    const asked: unknown[] = []
    const fetch = async (_: string, { redirect }: RequestInit) => {
      asked.push(redirect)
      if (redirect !== 'manual') return then
      const response = new Response(body([]))
      return Object.defineProperty(response, 'type', { value: 'opaqueredirect' })
    }
    return { asked, fetch }
  }

  test('one that is hidden is followed by asking again, where that is safe', async () => {
    const { asked, fetch } = hiding(stream(['data: 1\n\n']))
    expect(await story('http://test/', { fetch, headers })).toEqual(['message:1', 'done'])
    expect(asked).toEqual(['manual', undefined])
    const away = hiding(redirected('http://elsewhere/'))
    const told = await story('http://test/', { fetch: away.fetch, headers })
    expect(told).toEqual(['throws:redirect'])
  })

  test('one is not followed once the stream is stopped, in whichever microtask', async () => {
    for (let ticks = 0; ticks < 40; ticks++) {
      const late: string[] = []
      let stopped = false
      const fetch = async (url: string) => {
        if (stopped) late.push(url)
        if (url.endsWith('/to')) return stream([], 'stall')
        return new Response(null, { status: 302, headers: { location: '/to' } })
      }
      const source = events('http://test/', { fetch, headers })
      const next = source[Symbol.asyncIterator]().next()
      for (let tick = 0; tick < ticks; tick++) await undefined
      source.close()
      stopped = true
      await next
      expect([ticks, late]).toEqual([ticks, []])
    }
  })

  test('one that is hidden is refused for a POST', async () => {
    const { asked, fetch } = hiding(stream([]))
    expect(await failure('http://test/', { fetch, json: 1 })).toMatchObject({
      code: 'redirect',
      location: undefined,
    })
    expect(asked).toEqual(['manual'])
  })
})
