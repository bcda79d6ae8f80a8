import { HttpResponse, http, sse } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { EventSource, events } from '../../src/index'
import { follow } from '../support/fetch'
import { eventStream } from './samples/event-stream'

const server = setupServer()
beforeAll(() => server.listen({ onUnhandledRequest: 'error' }))
afterEach(() => server.resetHandlers())
afterAll(() => server.close())

const url = 'http://api.test/prices'

test('msw, GET: a once handler, then the 204 that ends the reconnects', async () => {
  server.use(
    http.get(url, () => eventStream(['data: 1\n\n', 'data: 2\n\n']), { once: true }),
    http.get(url, () => new HttpResponse(null, { status: 204 })),
  )
  const story: string[] = []
  await follow(events(url, { retry: { delay: 0 } }), story)
  expect(story).toEqual(['message:1', 'message:2', 'done'])
})

test('msw, POST: the body that was sent, and the terminal event', async () => {
  let asked: unknown
  server.use(
    http.post(url, async ({ request }) => {
      asked = await request.json()
      return eventStream(['data: Hel\n\n', 'data: lo\n\n', 'data: [DONE]\n\n'])
    }),
  )
  const story: string[] = []
  await follow(events(url, { json: { question: 'hi' }, until: '[DONE]' }), story)
  expect(story).toEqual(['message:Hel', 'message:lo', 'done'])
  expect(asked).toEqual({ question: 'hi' })
})

test('msw: the second attempt sends the last event ID', async () => {
  const ids: (string | null)[] = []
  server.use(
    http.get(url, ({ request }) => {
      ids.push(request.headers.get('last-event-id'))
      return ids.length === 1 ? eventStream(['id: 7\ndata: 1\n\n']) : HttpResponse.error()
    }),
  )
  const story: string[] = []
  await follow(events(url, { retry: { delay: 0, maxRetries: 1 } }), story)
  expect(ids).toEqual([null, '7'])
  expect(story).toEqual(['message:1', 'throws:network'])
})

test('msw: break and close() end the loop at once on a stream that stays open', async () => {
  server.use(http.get(url, () => eventStream(['data: 1\n\n'], { open: true })))
  for await (const event of events(url)) {
    expect(event.data).toBe('1')
    break
  }
  const stream = events(url)
  const iterator = stream[Symbol.asyncIterator]()
  await iterator.next()
  const pending = iterator.next()
  stream.close()
  expect(await pending).toEqual({ done: true, value: undefined })
})

test('msw’s sse() wants a global EventSource, serves GET where ours is that, and no POST', async () => {
  expect(() => sse(url, () => {})).toThrow(/EventSource/)
  vi.stubGlobal('EventSource', EventSource)
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
  server.use(
    sse(url, ({ client }) => {
      client.send({ id: '1', data: 'hello' })
    }),
    http.post(url, () => eventStream(['data: by http.post\n\n'])),
  )
  for await (const { data, lastEventId } of events(url)) {
    expect([data, lastEventId]).toEqual(['hello', '1'])
    break
  }
  const story: string[] = []
  await follow(events(url, { json: {} }), story)
  expect(story).toEqual(['message:by http.post', 'done'])
})

test('a fetch of your own needs no network at all', async () => {
  const fetch = vi
    .fn()
    .mockResolvedValueOnce(new Response('busy', { status: 503 }))
    .mockResolvedValueOnce(eventStream(['data: 1\n\n']))
  const stream = events('/prices', { fetch, retry: { delay: 0 } })
  for await (const event of stream) {
    expect(event.data).toBe('1')
    break
  }
  expect(fetch).toHaveBeenCalledTimes(2)
  expect(fetch.mock.calls[0]?.[1].headers).toEqual({ Accept: 'text/event-stream' })
})

test('fake timers jump over a wait', async () => {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const fetch = vi
    .fn()
    .mockResolvedValueOnce(new Response('', { status: 503, headers: { 'Retry-After': '60' } }))
    .mockResolvedValueOnce(eventStream(['data: 1\n\n']))
  const next = events('/prices', { fetch, retry: { jitter: 0 } })
    [Symbol.asyncIterator]()
    .next()
  await vi.advanceTimersByTimeAsync(59_999)
  expect(fetch).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(6001) // Retry-After is spread upwards by up to a tenth.
  expect((await next).value?.data).toBe('1')
})
