import { expect, test, vi } from 'vitest'
import { events, type RetryPolicy } from '../../src/index'
import { answering } from '../support/fetch'
import { serve } from '../support/server'
import { app, news, publish } from './samples/express-feed'

const retry = { delay: 5, jitter: 0 }

test('the Express feed: what is published while the line is down comes after it, once', async () => {
  const server = await serve(app)
  const feed = events(`${server.url}/feed`, {
    retry,
    onOpen: () => {
      if (feed.lastEventId === '') publish('first')
    },
    onReconnect: () => publish('while away'),
  })
  const story: string[] = []
  for await (const { data, lastEventId } of feed) {
    story.push(`${lastEventId} ${JSON.parse(data)}`)
    if (story.length === 1) for (const socket of server.sockets) socket.destroy()
    if (story.length === 2) publish('after')
    if (story.length === 3) break
  }
  expect(story).toEqual(['1 first', '2 while away', '3 after'])
  await server.socketsToBe(0)
  expect(news.listenerCount('more')).toBe(0)
})

test('the Express feed: a line that is cut before its first event loses none', async () => {
  const server = await serve(app)
  const story: string[] = []
  const feed = events(`${server.url}/feed`, {
    retry,
    onOpen: () => story.push('open'),
    onReconnect: () => publish('in the gap'),
  })
  const reading = (async () => {
    for await (const { data } of feed) {
      story.push(JSON.parse(data))
      break
    }
  })()
  await vi.waitFor(() => expect(feed.lastEventId).toBe('3'))
  for (const socket of server.sockets) socket.destroy()
  await reading
  expect(story).toEqual(['open', 'open', 'in the gap'])
})

test('a policy of your own sees the failure, and says how long to wait or when to stop', async () => {
  const unavailable = () => new Response('down', { status: 503 })
  const { fetch, requests } = answering(unavailable, unavailable, unavailable, unavailable)
  const contexts: unknown[] = []
  const policy: RetryPolicy = ({ error, failures, delay }) => {
    contexts.push([error?.status, failures, delay >= 1000])
    return failures < 3 && 1
  }
  const stream = events('http://x/', { fetch, retry: policy })
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({ status: 503 })
  expect(requests).toHaveLength(3)
  expect(contexts).toEqual([
    [503, 1, true],
    [503, 2, true],
    [503, 3, true],
  ])
})
