import { describe, expect, test, vi } from 'vitest'
import { type EventsOptions, events } from '../../src/faces/events'
import { fromRequest } from '../../src/parts/from-request'
import { type Answer, answering, follow, type Sent } from '../support/fetch'
import { failureOf, noContent, ownTheClock, reset, status } from '../support/play'
import { body, stream } from '../support/response'

ownTheClock()

const URL_ = 'https://example.com/chat?q=1'

async function send(request: Request, answers: Answer[], more: EventsOptions = {}) {
  const { fetch, requests } = answering(...answers)
  const [input, options] = fromRequest(request)
  const story: string[] = []
  const source = events(input, {
    ...options,
    ...more,
    fetch: (url, init) => fetch(url, init as RequestInit),
  })
  const followed = follow(source, story)
  await vi.advanceTimersByTimeAsync(10_000)
  await followed
  return { requests, story, options }
}

const textOf = ({ body }: Sent) => new TextDecoder().decode(body as unknown as ArrayBuffer)

describe('fromRequest()', () => {
  test('makes the same request: URL, method, headers, body', async () => {
    const request = new Request(URL_, {
      method: 'POST',
      headers: { Authorization: 'Bearer 1', 'Content-Type': 'text/x' },
      body: 'Grüße',
    })
    const { requests, story } = await send(request, [stream(['data: 1\n\n'])])
    expect(story).toEqual(['message:1', 'done'])
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual([`POST ${URL_}`])
    expect(Object.fromEntries(requests[0]?.headers ?? [])).toEqual({
      accept: 'text/event-stream',
      authorization: 'Bearer 1',
      'content-type': 'text/x',
    })
    expect(textOf(requests[0] as Sent)).toBe('Grüße')
  })

  test('sends the body with each attempt, though it is read once, and leaves the request unread', async () => {
    const pulls = vi.fn()
    const bytes = new TextEncoder().encode('once')
    const source = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls()
          controller.enqueue(bytes)
          controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    const request = new Request(URL_, {
      method: 'POST',
      body: source,
      duplex: 'half',
    } as RequestInit)
    const { requests, story } = await send(request, [status(503), reset(), noContent()], {
      resume: 'same',
    })
    expect(story).toEqual(['done'])
    expect(requests.map(textOf)).toEqual(['once', 'once', 'once'])
    expect(pulls).toHaveBeenCalledTimes(1)
    expect(await request.text()).toBe('once')
  })

  test('is no leave to repeat a POST', async () => {
    const request = new Request(URL_, { method: 'POST', body: 'x' })
    const { requests, story } = await send(request, [status(503), noContent()])
    expect([requests.length, ...story]).toEqual([1, 'throws:status'])
  })

  test('reads nothing before the first attempt', async () => {
    const request = new Request(URL_, { method: 'POST', body: 'x' })
    const clone = vi.spyOn(request, 'clone')
    fromRequest(request)
    expect(clone).not.toHaveBeenCalled()
  })

  test('a GET has no body, and stays a stream that reconnects', async () => {
    const { requests, options } = await send(new Request(URL_), [stream([]), noContent()])
    expect('body' in options).toBe(false)
    expect(requests.length).toBe(2)
  })

  test('a POST without a body sends none', async () => {
    const request = new Request(URL_, { method: 'POST' })
    const { requests } = await send(request, [noContent()])
    expect(requests[0]?.body).toBe(undefined)
  })

  test('ends with the signal of the request', async () => {
    const control = new AbortController()
    const [input, options] = fromRequest(new Request(URL_, { signal: control.signal }))
    const { fetch } = answering()
    const source = events(input, {
      ...options,
      fetch: (url, init) => fetch(url, init as RequestInit),
    })
    const failed = failureOf(source[Symbol.asyncIterator]().next())
    const reason = new Error('enough')
    control.abort(reason)
    expect(await failed).toBe(reason)
  })

  test('keeps what the caller has set beside it, and nothing else', async () => {
    const request = new Request(URL_, {
      credentials: 'include',
      mode: 'same-origin',
      redirect: 'error',
      integrity: 'sha256-x',
      keepalive: true,
      referrerPolicy: 'no-referrer',
    })
    const { requests } = await send(request, [noContent()])
    expect(requests[0]).toMatchObject({
      credentials: 'include',
      mode: 'same-origin',
      redirect: 'error',
      integrity: 'sha256-x',
      keepalive: true,
      referrerPolicy: 'no-referrer',
    })
    const [, plain] = fromRequest(new Request(URL_))
    expect(Object.keys(plain).sort()).toEqual(['headers', 'method', 'signal'])
  })

  test('a Last-Event-ID of the request is where the stream begins, and no more', async () => {
    const request = new Request(URL_, { headers: { 'Last-Event-ID': '5' } })
    const { requests } = await send(request, [stream(['id: 7\ndata: 1\n\n']), noContent()])
    expect(requests.map(({ headers }) => headers.get('last-event-id'))).toEqual(['5', '7'])
  })

  test('refuses a request that has been read', async () => {
    const request = new Request(URL_, { method: 'POST', body: 'x' })
    await request.text()
    expect(() => fromRequest(request)).toThrow(TypeError)
  })

  test('a request that is read before the first attempt is not tried again', async () => {
    const request = new Request(URL_, { method: 'REPORT', body: 'x' })
    const [input, options] = fromRequest(request)
    await request.text()
    const warn = vi.spyOn(console, 'warn')
    const next = events(input, options)[Symbol.asyncIterator]().next()
    expect(await failureOf(next)).toMatchObject({ code: 'auth', attempt: 1 })
    expect(warn).not.toHaveBeenCalled()
  })

  test('a body that fails is a failure of the attempt, as a function of the request fails', async () => {
    const request = new Request(URL_, {
      method: 'POST',
      body: body(['x'], new Error('disk')),
      duplex: 'half',
    } as RequestInit)
    const { requests, story } = await send(request, [noContent()])
    expect(requests.length).toBe(0)
    expect(story).toEqual(['throws:auth'])
  })
})
