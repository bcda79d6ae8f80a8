import type { RequestListener, ServerResponse } from 'node:http'
import { register } from 'node:module'
import { Transmit } from '@adonisjs/transmit-client'
import { EventSource as Original } from 'eventsource'
import ReconnectingEventSource from 'reconnecting-eventsource'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { EventSource } from '../src'
import { serve } from './support/server'

/** Begins a stream that stays open. */
function stream(response: ServerResponse, text: string) {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(text)
}

const until = (condition: () => unknown) =>
  vi.waitUntil(condition, { timeout: 10_000, interval: 5 })

/** A server whose requests get the next of the listeners, the last one for good. */
function answering(...listeners: RequestListener[]) {
  let requests = 0
  return serve((request, response) => {
    listeners[Math.min(requests++, listeners.length - 1)]?.(request, response)
  })
}

// The same for the package and for ours, which is to take its place.
describe.each([
  ['the eventsource package', Original],
  ['ours in its place', EventSource],
] as const)('what code for the eventsource package relies on: %s', (_, Class) => {
  /** Writes down what a source fires, with what the package adds to its errors. */
  function follow(url: string, init?: ConstructorParameters<typeof Original>[1]) {
    const story: string[] = []
    // What types the package's options goes where ours do.
    const source = new Class(url, init as object)
    onTestFinished(() => source.close())
    source.onopen = () => story.push(`open:${source.readyState}`)
    source.onmessage = ({ data }: MessageEvent) => story.push(`message:${data}`)
    source.addEventListener('error', (event: Event) => {
      const { code, message } = event as Event & { code?: number; message?: string }
      story.push(`error:${source.readyState}:${typeof code === 'number' ? code : typeof message}`)
    })
    return { source, story }
  }

  test('a fetch is asked for and known to be taken', () => {
    expect(Reflect.get(Class, Symbol.for('eventsource.supports-fetch-override'))).toBe(true)
  })

  test('a fetch adds headers by spreading those it gets, and keeps the package’s own', async () => {
    const seen: unknown[] = []
    const listener: RequestListener = ({ headers }, response) => {
      const { accept, authorization, 'last-event-id': id } = headers
      seen.push([accept, authorization, id])
      if (seen.length > 1) return stream(response, 'data: 2\n\n')
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end('retry: 1\nid: a\ndata: 1\n\n')
    }
    const { url } = await answering(listener)
    const { story } = follow(url, {
      fetch: (input, init) => {
        const headers = { ...init.headers, Authorization: 'Bearer 1' }
        return fetch(input, { ...init, headers })
      },
    })
    await until(() => story.length === 5)
    expect(seen).toEqual([
      ['text/event-stream', 'Bearer 1', undefined],
      ['text/event-stream', 'Bearer 1', 'a'],
    ])
    expect(story).toEqual([
      'open:1',
      'message:1',
      expect.stringMatching('error:0'),
      'open:1',
      'message:2',
    ])
  })

  test.each([204, 401, 404, 500])('an error says the status by code: %i', async (status) => {
    const { url } = await answering((_, response) => response.writeHead(status).end())
    const { story } = follow(url)
    await until(() => story.length === 1)
    expect(story).toEqual([`error:2:${status}`])
  })

  test('an error of the network says by its message what happened', async () => {
    const { url } = await answering((request) => request.socket.destroy())
    const { story } = follow(url)
    await until(() => story.length === 1)
    expect(story).toEqual(['error:0:string'])
  })
})

describe('the MCP TypeScript SDK, with eventsource overridden by this library', async () => {
  // What "overrides": { "eventsource": "npm:tidings" } in an app's package.json does.
  const ours = new URL('../dist/index.js', import.meta.url).href
  const hook = `export const resolve = (specifier, context, next) =>
    specifier === 'eventsource' ? { url: '${ours}', shortCircuit: true } : next(specifier, context)`
  register(`data:text/javascript,${encodeURIComponent(hook)}`)
  const { Client } = await import('@modelcontextprotocol/sdk/client/index.js')
  const { SSEClientTransport, SseError } = await import('@modelcontextprotocol/sdk/client/sse.js')
  const { McpServer } = await import('@modelcontextprotocol/sdk/server/mcp.js')
  const { SSEServerTransport } = await import('@modelcontextprotocol/sdk/server/sse.js')

  const version = { name: 'test', version: '1.0.0' }

  /** An MCP server with one tool, that lets in whoever has a token. */
  function serveTool(story: string[]) {
    let transport: InstanceType<typeof SSEServerTransport>
    return serve(async (request, response) => {
      if (request.headers.authorization !== 'Bearer 1') {
        response.writeHead(401).end()
      } else if (request.method === 'GET') {
        story.push(`GET ${request.headers.accept}`)
        request.socket.on('close', () => story.push('closed'))
        const server = new McpServer(version)
        server.registerTool('greet', {}, () => {
          story.push('greet')
          return { content: [{ type: 'text', text: 'Hello from the tool' }] }
        })
        transport = new SSEServerTransport('/messages', response)
        await server.connect(transport)
      } else {
        await transport.handlePostMessage(request, response)
      }
    })
  }

  test('its client lists the tools, calls one, and closes', async () => {
    const story: string[] = []
    const { url } = await serveTool(story)
    const transport = new SSEClientTransport(new URL(url), {
      requestInit: { headers: { authorization: 'Bearer 1' } },
    })
    const client = new Client(version)
    await client.connect(transport)
    // The package has no such member: the source is ours.
    expect(transport).toHaveProperty('_eventSource.status', 'open')
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['greet'])
    const { content } = await client.callTool({ name: 'greet' })
    expect(content).toEqual([{ type: 'text', text: 'Hello from the tool' }])
    await client.close()
    await until(() => story.includes('closed'))
    expect(story).toEqual(['GET text/event-stream', 'greet', 'closed'])
  })

  test('its client learns of a 401 by the code of the error event', async () => {
    const { url } = await serveTool([])
    const refused = new SSEClientTransport(new URL(url)).start()
    await expect(refused).rejects.toBeInstanceOf(SseError)
    await expect(refused).rejects.toMatchObject({ code: 401 })
  })

  test('its client starts to authorize after a 401', async () => {
    const { url } = await serveTool([])
    const began = new Error('the authorization began')
    const authProvider = {
      tokens: () => undefined,
      discoveryState: () => Promise.reject(began),
    }
    const transport = new SSEClientTransport(new URL(url), { authProvider: authProvider as never })
    await expect(transport.start()).rejects.toBe(began)
  })
})

describe('reconnecting-eventsource on this class', () => {
  test('comes back from what is final to the standard, with the last event ID', async () => {
    const urls: (string | undefined)[] = []
    const note =
      (listener: RequestListener): RequestListener =>
      (request, response) => {
        urls.push(request.url)
        listener(request, response)
      }
    const { url } = await answering(
      note((_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.end('retry: 1\nevent: price\nid: 7\ndata: 1\n\n')
      }),
      note((_, response) => response.writeHead(500).end()),
      note((_, response) => stream(response, 'event: price\ndata: 2\n\n')),
    )
    const source = new ReconnectingEventSource(`${url}/prices`, {
      eventSourceClass: EventSource,
      max_retry_time: 1,
    })
    onTestFinished(() => source.close())
    const story: string[] = []
    source.onopen = () => story.push('open')
    source.onerror = () => story.push('error')
    source.addEventListener('price', ({ data }) => story.push(`price:${data}`))
    await until(() => story.includes('price:2'))
    expect(story).toEqual(['open', 'price:1', 'error', 'open', 'price:2'])
    expect(urls).toEqual(['/prices', '/prices', '/prices?lastEventId=7'])
  })
})

describe('@adonisjs/transmit-client on this class', () => {
  test('subscribes, hears its channel, and does so again after a cut', async () => {
    const story: string[] = []
    let response: ServerResponse | undefined
    const { url } = await serve(async (request, answer) => {
      if (request.method === 'GET') {
        response = answer
        return stream(answer, 'retry: 1\n\n')
      }
      const { channel } = JSON.parse((await request.toArray()).join(''))
      story.push(`${request.url?.split('/').at(-1)} ${channel}`)
      answer.writeHead(204).end()
    })
    const transmit = new Transmit({
      baseUrl: url,
      eventSourceFactory: (url, options) => new EventSource(url, options),
      onReconnectAttempt: (attempt) => story.push(`attempt ${attempt}`),
    })
    onTestFinished(() => transmit.close())
    const tell = (text: string) => {
      response?.write(`data: ${JSON.stringify({ channel: 'news', payload: text })}\n\n`)
    }
    const subscription = transmit.subscription('news')
    subscription.onMessage((text) => story.push(`heard ${text}`))
    await subscription.create()
    tell('one')
    await until(() => story.includes('heard one'))
    response?.socket?.destroy()
    await until(() => story.filter((line) => line === 'subscribe news').length === 2)
    tell('two')
    await until(() => story.includes('heard two'))
    expect(story).toEqual([
      'subscribe news',
      'heard one',
      'attempt 1',
      'subscribe news',
      'heard two',
    ])
  })
})
