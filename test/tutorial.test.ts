import { once } from 'node:events'
import express from 'express'
import { expect, test } from 'vitest'
import { reactive, watch } from 'vue'
import { EventSource, type SseErrorEvent } from '../src/index'
import { serve } from './support/server'

/** The tutorial's server: a timestamp now and then, and whatever a client sends, to everybody. */
function sseServer(interval = 20) {
  const app = express()
  const clients = new Set<express.Response>()
  let refusals = 0
  app.use(express.json())
  app.get('/sse-endpoint', (req, res) => {
    if (req.headers.authorization !== 'Bearer your-token') {
      refusals++
      res.status(401).send('log in first')
      return
    }
    res.setHeader('Content-Type', 'text/event-stream')
    res.setHeader('Cache-Control', 'no-cache')
    res.setHeader('Connection', 'keep-alive')
    res.flushHeaders()
    clients.add(res)
    const intervalId = setInterval(
      () => res.write(`data: ${new Date().toISOString()}\n\n`),
      interval,
    )
    req.on('close', () => {
      clearInterval(intervalId)
      clients.delete(res)
    })
  })
  app.post('/sse-endpoint', (req, res) => {
    const { type, data } = req.body
    for (const client of clients) client.write(`event: ${type}\ndata: ${data}\n\n`)
    res.status(204).end()
  })
  return { app, clients, refusals: () => refusals }
}

const headers = { Authorization: 'Bearer your-token' }

test('creating: a URL and the request headers that the native class lacks', async () => {
  const { app } = sseServer()
  const { url } = await serve(app)
  const sent = new Headers()
  sent.append('Authorization', 'Bearer your-token')
  using source = new EventSource(`${url}/sse-endpoint`, { headers: sent })
  expect(source.readyState).toBe(EventSource.CONNECTING)
  await once(source, 'open')
  expect(source.readyState).toBe(EventSource.OPEN)
})

test('events: message and custom types reach their listeners', async () => {
  const { app, clients } = sseServer()
  const { url } = await serve(app)
  using source = new EventSource(`${url}/sse-endpoint`, { headers })
  const [message] = (await once(source, 'message')) as [MessageEvent]
  expect(Date.parse(message.data)).toBeGreaterThan(0)
  const custom = once(source, 'myCustomEvent') as Promise<[MessageEvent]>
  for (const client of clients) client.write('event: myCustomEvent\ndata: hello\n\n')
  expect((await custom)[0].data).toBe('hello')
})

test('errors: onerror says what happened, where the native class is silent', async () => {
  const { app } = sseServer()
  const { url } = await serve(app)
  using source = new EventSource(`${url}/sse-endpoint`)
  const error = await new Promise<SseErrorEvent>((resolve) => {
    source.onerror = resolve
  })
  expect([source.readyState, error.code, error.status]).toEqual([2, 401, 401])
  expect(error.message).toBe('Expected status 200, got 401 Unauthorized')
})

test('reconnect: a cut line comes back by itself, and reconnect() does it at once', async () => {
  const { app, clients } = sseServer()
  const { url } = await serve(app)
  using source = new EventSource(`${url}/sse-endpoint`, { headers, retry: { delay: 5 } })
  const story: string[] = []
  source.onopen = () => story.push(`open:${source.readyState}`)
  source.onerror = () => story.push(`error:${source.readyState}`)
  await once(source, 'message')
  for (const client of clients) client.destroy()
  await once(source, 'open')
  source.reconnect()
  await once(source, 'open')
  expect(story).toEqual(['open:1', 'error:0', 'open:1', 'open:1'])
})

test('sending: send() posts a custom event, and the server passes it on', async () => {
  const { app } = sseServer()
  const { url } = await serve(app)
  using source = new EventSource(`${url}/sse-endpoint`, { headers })
  await once(source, 'open')
  const custom = once(source, 'myCustomEvent') as Promise<[MessageEvent]>
  const response = await source.send('myCustomEvent', 'data')
  expect(response.status).toBe(204)
  expect((await custom)[0].data).toBe('data')
})

test('closing: no event follows, and the server sees the client go', async () => {
  const { app, clients } = sseServer()
  const { url } = await serve(app)
  const source = new EventSource(`${url}/sse-endpoint`, { headers })
  await once(source, 'message')
  const [client] = clients
  source.close()
  source.onmessage = source.onerror = () => expect.unreachable()
  expect(source.readyState).toBe(EventSource.CLOSED)
  await once(client as express.Response, 'close')
})

test('Vue: reactive state follows the stream', async () => {
  const { app } = sseServer()
  const { url } = await serve(app)
  const state = reactive({ events: [] as { message: string }[] })
  using source = new EventSource(`${url}/sse-endpoint`, { headers })
  source.onmessage = (event) => state.events.push({ message: event.data })
  await new Promise<void>((resolve) => {
    watch(
      () => state.events.length,
      (length) => length === 3 && resolve(),
      { flush: 'sync' },
    )
  })
  expect(state.events.every(({ message }) => Date.parse(message) > 0)).toBe(true)
})

test('heartbeats: a silent server is noticed, which the tutorial says SSE cannot do', async () => {
  const { app } = sseServer(1_000_000)
  const { url } = await serve(app)
  using source = new EventSource(`${url}/sse-endpoint`, { headers, idleTimeout: 30 })
  const error = await new Promise<SseErrorEvent>((resolve) => {
    source.onerror = resolve
  })
  expect([source.readyState, error.code]).toEqual([0, 'idle'])
})
