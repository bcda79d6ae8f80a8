import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Agent, type Dispatcher, EnvHttpProxyAgent, ProxyAgent, fetch as undiciFetch } from 'undici'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type EventsOptions, events } from '../../src/index'
import { serve } from '../support/server'

type Fetch = NonNullable<EventsOptions['fetch']>
const pem = (name: string) =>
  readFileSync(new URL(`fixtures/localhost.${name}.pem`, import.meta.url))

/** What the guide's line does: the runtime's fetch, or undici's own, through a dispatcher. */
const through = (fetch: unknown, dispatcher: Dispatcher): Fetch => {
  onTestFinished(() => dispatcher.destroy())
  return (url, init) => (fetch as Fetch)(url, { ...init, dispatcher } as never)
}

/** A proxy that tunnels, and writes down where to and for whom. */
async function tunnel() {
  const story: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer()
  server.on('connect', (request, socket: Socket) => {
    story.push(`${request.url} ${request.headers['proxy-authorization']}`)
    const [host, port] = `${request.url}`.split(':')
    const target = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
    for (const end of [socket, target]) {
      sockets.add(end)
      end.on('error', () => {})
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { story, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const feed: RequestListener = (request, response) => {
  response.setHeader('Content-Type', 'text/event-stream')
  response.write(`id: 1\ndata: ${request.headers['last-event-id'] ?? 'first'}\n\n`)
}

test.each([
  ['Node’s own fetch', globalThis.fetch],
  ['undici’s fetch', undiciFetch],
])('ProxyAgent with %s: the stream and its reconnect go through the proxy', async (_, fetch) => {
  const server = await serve(feed)
  const proxy = await tunnel()
  const stream = events(server.url, {
    fetch: through(fetch, new ProxyAgent({ uri: proxy.url, token: 'Basic dTpw' })),
  })
  const told: string[] = []
  for await (const { data } of stream) {
    told.push(data)
    if (told.length === 2) break
    stream.reconnect()
  }
  expect(told).toEqual(['first', '1'])
  expect(new Set(proxy.story)).toEqual(new Set([`${new URL(server.url).host} Basic dTpw`]))
})

test.each([
  ['', 1],
  ['127.0.0.1', 0],
])(
  'EnvHttpProxyAgent takes the proxy from the environment; with no_proxy=%o',
  async (no, tunnels) => {
    const server = await serve(feed)
    const proxy = await tunnel()
    onTestFinished(() => {
      vi.unstubAllEnvs()
    })
    vi.stubEnv('http_proxy', proxy.url)
    vi.stubEnv('no_proxy', no)
    const fetch = through(globalThis.fetch, new EnvHttpProxyAgent())
    const { value } = await events(server.url, { fetch })[Symbol.asyncIterator]().next()
    expect(value?.data).toBe('first')
    expect(proxy.story).toHaveLength(tunnels)
  },
)

/** An event stream over HTTP/2, with what came to it: connections and requests. */
async function serveHttp2() {
  const story: string[] = []
  const server = createSecureServer({ cert: pem('cert'), key: pem('key'), allowHTTP1: true })
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => {
    story.push('connection')
    sessions.add(session)
  })
  server.on('request', (request, response) => {
    story.push(`${request.httpVersion} ${request.headers[':path'] ?? request.url}`)
    response.setHeader('content-type', 'text/event-stream')
    response.write('data: hello\n\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { story, url: `https://localhost:${(server.address() as AddressInfo).port}` }
}

test.each([
  ['Node’s own fetch', globalThis.fetch],
  ['undici’s fetch', undiciFetch],
])(
  'HTTP/2 with %s: streams share a connection, and one that ends leaves the others',
  async (_, fetch) => {
    const { story, url } = await serveHttp2()
    const agent = new Agent({ allowH2: true, pipelining: 100, connect: { ca: pem('cert') } })
    const open = async (path: string) => {
      const stream = events(`${url}${path}`, { fetch: through(fetch, agent) })
      const iterator = stream[Symbol.asyncIterator]()
      expect((await iterator.next()).value?.data).toBe('hello')
      return stream
    }
    const one = await open('/1')
    const two = await open('/2')
    one.close()
    await open('/3')
    expect([one.status, two.status]).toEqual(['closed', 'open'])
    expect(story).toEqual(['connection', '2.0 /1', '2.0 /2', '2.0 /3'])
  },
)

test('HTTP/2 without pipelining: undici opens a connection for each stream', async () => {
  const { story, url } = await serveHttp2()
  const fetch = through(undiciFetch, new Agent({ allowH2: true, connect: { ca: pem('cert') } }))
  for (const path of ['/1', '/2']) {
    await events(`${url}${path}`, { fetch })[Symbol.asyncIterator]().next()
  }
  expect(story).toEqual(['connection', '2.0 /1', 'connection', '2.0 /2'])
})

test('silence beyond undici’s bodyTimeout is a network error that names it', async () => {
  const server = await serve(feed)
  const fetch = through(globalThis.fetch, new Agent({ bodyTimeout: 50 }))
  const iterator = events(server.url, { fetch, retry: false })[Symbol.asyncIterator]()
  await iterator.next()
  await expect(iterator.next()).rejects.toMatchObject({
    code: 'network',
    message: expect.stringContaining('UND_ERR_BODY_TIMEOUT'),
    cause: { message: 'terminated' },
  })
})
