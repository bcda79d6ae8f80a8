import { expect, test, vi } from 'vitest'
import { events, type RetryPolicy } from '../../src/index'
import { answering } from '../support/fetch'
import { serve } from '../support/server'
import { model } from './model'
import { app, news, publish } from './samples/express-feed'
import { fromOffsets, search, since, withoutControl } from './samples/places'

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
    contexts.push([error?.status, failures, Number(delay) >= 1000])
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

const json = (value: object, type?: string) =>
  `${type ? `event: ${type}\n` : ''}data: ${JSON.stringify(value)}\n\n`
const soon = 'retry: 1\n\n'

test('a place in the query: the next request asks for what came after the last item', async () => {
  const { url, lines, asked } = await model(
    { chunks: [soon, json({ id: 7 }), json({ id: 8 })], after: 'cut' },
    { chunks: [json({ id: 9 })] },
  )
  const ids: number[] = []
  for await (const { data } of since(`${url}/feed`)) {
    ids.push(data.id)
    if (data.id === 9) break
  }
  expect(ids).toEqual([7, 8, 9])
  expect(lines).toEqual(['GET /feed', 'GET /feed?since_id=8'])
  expect(asked[1]?.headers['last-event-id']).toBeUndefined()
})

test('a place in the query, after a POST: what is left is asked for by a GET', async () => {
  const { url, lines } = await model(
    { chunks: [soon, json({ id: 7 }), json({ id: 8 })], after: 'cut' },
    { chunks: [json({ id: 9 }), json({}, 'done')] },
  )
  const ids: number[] = []
  for await (const { data } of search(`${url}/search`, 'tea')) if (data.id) ids.push(data.id)
  expect(ids).toEqual([7, 8, 9])
  expect(lines).toEqual(['POST /search', 'GET /search?since_id=8'])
})

test('the IDs of control events are no place: Last-Event-ID is that of the last other one', async () => {
  const { url, asked } = await model(
    { chunks: [soon, 'id: 7\ndata: a\n\n', 'id: c1\nevent: control\ndata: hi\n\n'], after: 'cut' },
    { chunks: ['id: 8\ndata: b\n\n'] },
  )
  const seen: string[] = []
  for await (const { data } of withoutControl(url)) {
    seen.push(data)
    if (data === 'b') break
  }
  expect(seen).toEqual(['a', 'hi', 'b'])
  expect(asked.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '7'])
})

test('an offset in an event after its data: a cut between the two brings the data again', async () => {
  const { url, lines } = await model(
    {
      chunks: [soon, json({ key: 'a' }), json({ offset: '1' }, 'control'), json({ key: 'b' })],
      after: 'cut',
    },
    { chunks: [json({ key: 'b' }), json({ offset: '2' }, 'control'), json({ key: 'c' })] },
  )
  const keys: string[] = []
  for await (const { key } of fromOffsets(url)) {
    keys.push(key)
    if (key === 'c') break
  }
  expect(keys).toEqual(['a', 'b', 'c'])
  expect(lines).toEqual(['GET /?offset=-1', 'GET /?offset=1'])
})
