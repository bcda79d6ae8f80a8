import { randomUUID } from 'node:crypto'
import type { RequestListener, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import {
  type EventStore,
  StreamableHTTPServerTransport,
} from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { EventSource as EventSourcePackage } from 'eventsource'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { EventSource, events } from '../../src/index'
import { ask } from '../guides/samples/mcp'
import { serve, type TestServer } from '../support/server'
import { consumer, installLocked } from './packed'

// The built package, with the types of its source. So the guide's sample uses it too.
vi.mock('../../src/index', () => import(new URL('../../dist/index.js', import.meta.url).href))

// The SDKs and servers of others on this package, beside the class they use by themselves.
const project = consumer('sdks')
// biome-ignore lint/suspicious/noExplicitAny: what they are is known after the installation.
let sdks: any

beforeAll(async () => {
  installLocked(project)
  const load = (file: string) => import(pathToFileURL(join(project, file)).href)
  sdks = { ...(await load('clients.js')), ...(await load('servers.js')) }
})

const until = (condition: () => unknown) =>
  vi.waitUntil(condition, { timeout: 10_000, interval: 5 })

const cut = ({ sockets }: TestServer) => {
  for (const socket of sockets) socket.destroy()
}

/** Begins a stream that stays open. */
function stream(response: ServerResponse, text: string) {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(text)
}

function json(response: ServerResponse, value: unknown, headers = {}) {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(value))
}

describe('the Unleash client, streaming', () => {
  const features = (enabled: boolean) => [
    { name: 'flag', enabled, strategies: [{ name: 'default', parameters: {} }], variants: [] },
  ]

  /** Its first event, with a reconnection time. */
  const hydration = (enabled: boolean) => {
    const events = [{ type: 'hydration', eventId: 1, features: features(enabled), segments: [] }]
    return `retry: 1\nevent: unleash-connected\ndata: ${JSON.stringify({ events })}\n\n`
  }

  /** Starts the client with a class in place of its own. `asked` are the paths it asks for. */
  async function start(Class: unknown, answer: (response: ServerResponse, count: number) => void) {
    const asked: string[] = []
    const server = await serve(({ url = '' }, response) => {
      asked.push(url)
      if (url === '/client/streaming') answer(response, asked.length)
      else json(response, { version: 2, features: features(true), segments: [] })
    })
    const own = sdks.unleashModule.EventSource
    sdks.unleashModule.EventSource = Class ?? own
    const client = new sdks.Unleash({
      url: server.url,
      appName: 'test',
      disableMetrics: true,
      skipInstanceCountWarning: true,
      storageProvider: new sdks.InMemStorageProvider(),
      experimentalMode: { type: 'streaming' },
    })
    onTestFinished(() => {
      client.destroy()
      sdks.unleashModule.EventSource = own
    })
    const told: string[] = []
    client.on('error', ({ message }: Error) => told.push(message))
    return { server, client, asked, told, isOn: () => client.isEnabled('flag') as boolean }
  }

  const times = (count: number) => Array(count).fill('/client/streaming')

  describe.each([
    ['its own class', undefined],
    ['the eventsource package', EventSourcePackage],
    ['ours', EventSource],
  ] as const)('with %s', (_, Class) => {
    test('gets its flags, and new ones after a lost line', async () => {
      const { server, client, asked, told, isOn } = await start(Class, (response, count) =>
        stream(response, hydration(count > 1)),
      )
      await until(() => client.isSynchronized())
      expect(isOn()).toBe(false)
      cut(server)
      await until(isOn)
      expect(asked).toEqual(times(2))
      expect(told).toEqual([])
    })

    test.each([
      ['lost lines', (response: ServerResponse) => response.socket?.destroy()],
      ['clean ends', (response: ServerResponse) => response.end()],
    ])('fails over to polling after five %s, and not before', async (_, end) => {
      const { asked, isOn } = await start(Class, (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(hydration(false), () => end(response))
      })
      await until(isOn)
      expect(asked).toEqual([...times(5), '/client/features'])
    })

    const without = Class === EventSourcePackage
    const reason = without ? ' (skipped: the client does not know its `code` for the status)' : ''
    test.skipIf(without)(`fails over at once when refused${reason}`, async () => {
      const { asked, isOn } = await start(Class, (response) => response.writeHead(429).end())
      await until(isOn)
      expect(asked).toEqual([...times(1), '/client/features'])
    })
  })

  test('fails over after five 503, by a class of ours that retries', async () => {
    class Retrying extends EventSource {
      constructor(url: string, { headers }: { headers: HeadersInit }) {
        super(url, { headers, retry: { delay: 1, maxDelay: 1 } })
      }
    }
    const { asked, isOn } = await start(Retrying, (response) => response.writeHead(503).end())
    await until(isOn)
    expect(asked).toEqual([...times(5), '/client/features'])
  })
})

test('the PocketBase SDK subscribes, and again after a lost line', async () => {
  vi.stubGlobal('EventSource', EventSource)
  onTestFinished(() => void vi.unstubAllGlobals())
  const story: string[] = []
  let clients = 0
  let open: ServerResponse | undefined
  const server = await serve(async (request, response) => {
    if (request.method === 'GET') {
      open = response
      const id = `client-${++clients}`
      stream(response, `id:${id}\nevent:PB_CONNECT\ndata:{"clientId":"${id}"}\n\n`)
    } else {
      const { clientId, subscriptions } = JSON.parse((await request.toArray()).join(''))
      story.push(`${clientId} subscribes to ${subscriptions}`)
      response.writeHead(204).end()
    }
  })
  const client = new sdks.PocketBase(server.url)
  const say = (title: string) => {
    const data = JSON.stringify({ action: 'create', record: { title } })
    open?.write(`id:x\nevent:posts/*\ndata:${data}\n\n`)
  }
  const heard = ({ record }: { record: { title: string } }) => story.push(`heard ${record.title}`)
  await client.collection('posts').subscribe('*', heard)
  say('one')
  await until(() => story.length === 2)
  cut(server)
  await until(() => story.length === 3)
  say('two')
  await until(() => story.length === 4)
  expect(story).toEqual([
    'client-1 subscribes to posts/*',
    'heard one',
    'client-2 subscribes to posts/*',
    'heard two',
  ])
  await client.collection('posts').unsubscribe()
  await until(() => open?.destroyed)
})

test('GrowthBook hears of new features, also after a lost line', async () => {
  const payload = (on: boolean) => ({ features: { flag: { defaultValue: on } } })
  let open: ServerResponse | undefined
  let streams = 0
  const server = await serve(({ url = '' }, response) => {
    if (url === '/api/features/key') {
      return json(response, payload(false), { 'x-sse-support': 'enabled' })
    }
    streams++
    open = response
    stream(response, 'retry: 1\n\n')
  })
  sdks.setPolyfills({ EventSource })
  const client = new sdks.GrowthBook({ apiHost: server.url, clientKey: 'key' })
  await client.init({ streaming: true })
  const say = (on: boolean) =>
    open?.write(`event: features\ndata: ${JSON.stringify(payload(on))}\n\n`)
  expect(client.isOn('flag')).toBe(false)
  await until(() => streams === 1)
  say(true)
  await until(() => client.isOn('flag'))
  cut(server)
  await until(() => streams === 2)
  say(false)
  await until(() => !client.isOn('flag'))
  client.destroy({ destroyAllStreams: true })
  await until(() => open?.destroyed)
})

test('a tRPC subscription goes on after a lost line from the ID it had', async () => {
  const asked: unknown[] = []
  const server = await serve(sdks.trpc((id: unknown) => asked.push(id)))
  const client = sdks.createTRPCClient({
    links: [
      sdks.httpSubscriptionLink({
        url: server.url,
        EventSource,
        eventSourceOptions: { retry: { delay: 1 } },
      }),
    ],
  })
  const got: unknown[] = []
  const subscription = client.events.subscribe(undefined, {
    onData: ({ id, data }: { id: string; data: { n: number } }) => got.push([id, data.n]),
    onError: (error: unknown) => got.push(error),
  })
  await until(() => got.length === 2)
  cut(server)
  await until(() => got.length === 4)
  expect(got).toEqual([1, 2, 3, 4].map((n) => [`${n}`, n]))
  expect(asked).toEqual([undefined, '2'])
  subscription.unsubscribe()
  await server.socketsToBe(0)
})

describe('servers whose streams are cut', () => {
  test.each([
    ['NestJS', 'nest'],
    ['h3', 'h3'],
    ['@fastify/sse', 'fastifyEvents'],
  ])('%s: events in order, and none lost or twice', async (_, name) => {
    const asked: unknown[] = []
    const server = await serve(await sdks[name]((id: unknown) => asked.push(id)))
    const got: string[] = []
    for await (const { data } of events(`${server.url}/events`, { retry: { delay: 1 } })) {
      got.push(data)
      if (got.length === 2) cut(server)
      if (got.length === 4) break
    }
    expect(got).toEqual([1, 2, 3, 4].map((n) => JSON.stringify({ n })))
    expect(asked).toEqual([undefined, '2'])
    await server.socketsToBe(0)
  })

  test('NestJS: a POST is answered with 201, and its handler runs once', async () => {
    const asked: unknown[] = []
    const server = await serve(await sdks.nest((prompt: unknown) => asked.push(prompt)))
    let got: string[] = []
    const chat = async (prompt: string) => {
      got = []
      const stream = events(`${server.url}/chat`, { json: { prompt }, retry: { delay: 1 } })
      for await (const { data } of stream) {
        expect(stream.response?.status).toBe(201)
        got.push(data)
        if (prompt === 'long' && got.length === 2) cut(server)
      }
    }
    await chat('short')
    expect(got).toEqual(['Hel', 'lo'])
    await expect(chat('long')).rejects.toMatchObject({ code: 'network' })
    expect(got).toEqual(['Hel', 'lo'])
    expect(asked).toEqual(['short', 'long'])
  })
})

describe('an MCP server on Streamable HTTP, asked as the guide does', () => {
  /** Keeps what has been said, in order, unlike the one of the SDK's examples. */
  function eventStore(): EventStore {
    const kept: { streamId: string; message: never }[] = []
    return {
      storeEvent: async (streamId, message) => `${kept.push({ streamId, message } as never) - 1}`,
      async replayEventsAfter(id, { send }) {
        const streamId = kept[Number(id)]?.streamId ?? ''
        for (const [index, event] of kept.entries()) {
          if (index <= Number(id) || event.streamId !== streamId) continue
          // The event that only gave the stream's first ID has no message.
          if (Object.keys(event.message).length) await send(`${index}`, event.message)
        }
        return streamId
      },
    }
  }

  test.each(['loses the line', 'hangs up'])('a tool runs once where it %s', async (how) => {
    const lines: string[] = []
    let runs = 0
    let goOn = () => {}
    const isCut = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const mcp = new McpServer({ name: 'test', version: '1.0.0' })
    mcp.registerTool('count', {}, async (extra) => {
      runs++
      const progress = (done: number) => {
        const params = { progressToken: 1, progress: done }
        return extra.sendNotification({ method: 'notifications/progress', params })
      }
      await progress(1)
      await isCut
      if (how === 'hangs up') extra.closeSSEStream?.()
      await progress(2)
      return { content: [{ type: 'text', text: 'counted' }] }
    })
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: eventStore(),
      retryInterval: 1,
    })
    await mcp.connect(transport as never)
    onTestFinished(() => mcp.close())
    const listener: RequestListener = (request, response) => {
      const { 'last-event-id': id } = request.headers
      lines.push(id === undefined ? `${request.method}` : `${request.method} after ${id}`)
      transport.handleRequest(request, response)
    }
    const server = await serve(listener)

    const version = '2025-11-25'
    const clientInfo = { name: 'test', version: '1.0.0' }
    const hello = { protocolVersion: version, capabilities: {}, clientInfo }
    // The answer's headers have the session, so this one is not for `ask`.
    const greeting = await fetch(server.url, {
      method: 'POST',
      headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params: hello }),
    })
    await greeting.text()
    const session = greeting.headers.get('mcp-session-id') ?? ''
    lines.length = 0

    const heard: unknown[] = []
    const result = await ask(
      server.url,
      { method: 'tools/call', params: { name: 'count', _meta: { progressToken: 1 } } },
      {
        headers: { 'Mcp-Session-Id': session, 'MCP-Protocol-Version': version },
        retry: { delay: 1 },
      },
      ({ params }) => {
        heard.push((params as { progress: number }).progress)
        if (heard.length > 1) return
        if (how === 'loses the line') cut(server)
        goOn()
      },
    )
    expect(result).toMatchObject({ content: [{ type: 'text', text: 'counted' }] })
    expect(heard).toEqual([1, 2])
    expect(runs).toBe(1)
    expect(lines).toEqual(['POST', expect.stringMatching(/^GET after \d+$/)])
  })
})
