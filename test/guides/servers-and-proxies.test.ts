import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { compress } from 'hono/compress'
import { expect, test } from 'vitest'
import { events } from '../../src/index'
import { serve } from '../support/server'
import { app as honoFeed } from './samples/hono-feed'
import { server as nodeFeed } from './samples/node-feed'

const servers: [string, RequestListener][] = [
  ['Node', (request, response) => nodeFeed.emit('request', request, response)],
  ['Hono', getRequestListener(honoFeed.fetch)],
]

test.each(servers)(
  'the feed of %s: headers at once, events, and an end for who leaves',
  async (_, listener) => {
    const server = await serve(listener)
    const feed = events(`${server.url}/feed`)
    for await (const { type, data } of feed) {
      expect(type).toBe('tick')
      expect(Date.parse(data)).toBeGreaterThan(0)
      expect(feed.response?.headers.get('cache-control')).toBe('no-cache, no-transform')
      expect(feed.response?.headers.get('x-accel-buffering')).toBe('no')
      break
    }
    await server.socketsToBe(0)
  },
)

test('Hono’s compress leaves an event stream alone', async () => {
  const app = new Hono().use(compress()).route('/', honoFeed)
  const server = await serve(getRequestListener(app.fetch))
  const feed = events(`${server.url}/feed`, { headers: { 'Accept-Encoding': 'gzip' } })
  for await (const _ of feed) {
    expect(feed.response?.headers.get('content-encoding')).toBeNull()
    break
  }
})
