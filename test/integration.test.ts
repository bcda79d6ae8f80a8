import type { RequestListener, ServerResponse } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createBrotliCompress, createDeflate, createGzip, constants as zlib } from 'node:zlib'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { createEventBuffer, createSession } from 'better-sse'
import express from 'express'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { describe, expect, test } from 'vitest'
import { SseError } from '../src/errors'
import { EventSource } from '../src/faces/event-source'
import { type EventsOptions, events } from '../src/faces/events'
import { fetchEventSource } from '../src/faces/fetch-event-source'
import { serve } from './support/server'

/** What a server-side library writes to one client. */
interface Line {
  /** Resolves when the client has taken it, or there is room for it. */
  send(event: Message): unknown
  comment(): unknown
  /** Cuts the line, as a network does. */
  cut(): void
}

interface Message {
  type?: string
  data: string
  id?: string
  retry?: number
}

interface Asked {
  method: string
  lastEventId: string
  body: unknown
}

/** Writes to the line; the stream ends when it has. */
type Feed = (line: Line, asked: Asked) => Promise<unknown>

const open = () => new Promise<never>(() => {})

function expressServer(feed: Feed): RequestListener {
  const app = express()
  app.use(express.json())
  app.all('/', async (request, response) => {
    response.type('text/event-stream').flushHeaders()
    const { method, body } = request
    await feed(
      {
        send: ({ type, data, id, retry }) => {
          if (type) response.write(`event: ${type}\n`)
          if (id) response.write(`id: ${id}\n`)
          if (retry !== undefined) response.write(`retry: ${retry}\n`)
          return write(response, `${data.replace(/^/gm, 'data: ')}\n\n`)
        },
        comment: () => response.write(':\n\n'),
        cut: () => response.destroy(),
      },
      { method, body, lastEventId: request.get('last-event-id') ?? '' },
    )
    response.end()
  })
  return app
}

/** Waits where the socket's buffer is full. */
async function write(response: ServerResponse, text: string): Promise<void> {
  if (!response.write(text)) await new Promise((resolve) => response.once('drain', resolve))
}

function betterSseServer(feed: Feed): RequestListener {
  const app = express()
  app.use(express.json())
  app.all('/', async (request, response) => {
    const session = await createSession(request, response, { serializer: String, retry: null })
    const { method, body } = request
    await feed(
      {
        send: ({ type, data, id, retry }) => {
          const buffer = createEventBuffer({ serializer: String })
          if (type) buffer.event(type)
          if (id) buffer.id(id)
          if (retry !== undefined) buffer.retry(retry)
          for (const line of data.split('\n')) buffer.data(line)
          return session.batch(buffer.dispatch())
        },
        comment: () => session.batch(createEventBuffer().comment().dispatch()),
        cut: () => response.destroy(),
      },
      { method, body, lastEventId: session.lastId },
    )
    response.end()
  })
  return app
}

function honoServer(feed: Feed): RequestListener {
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.all('/', async (c) => {
    const { method } = c.req
    const body = method === 'POST' ? await c.req.json() : undefined
    return streamSSE(c, async (stream) => {
      await feed(
        {
          send: ({ type, ...message }) => stream.writeSSE({ event: type, ...message }),
          comment: () => stream.write(':\n\n'),
          cut: () => c.env.outgoing.destroy(),
        },
        { method, body, lastEventId: c.req.header('last-event-id') ?? '' },
      )
    })
  })
  return getRequestListener(app.fetch, { overrideGlobalObjects: false })
}

const servers = { 'Express 5': expressServer, 'better-sse': betterSseServer, Hono: honoServer }

interface Reading {
  method?: string
  body?: string
  headers?: Record<string, string>
  resume?: 'same'
  /** Returns whether it was the last. */
  onEvent: (type: string, data: string, id: string) => boolean | undefined
  onOpen?: () => void
}

type Read = (url: string, reading: Reading) => Promise<void>

const TYPES = ['message', 'tick', 'done']

const faces: Record<string, Read> = {
  async 'events()'(url, { onEvent, ...options }) {
    for await (const { type, data, lastEventId } of events(url, options)) {
      if (onEvent(type, data, lastEventId)) return
    }
  },
  async 'batches()'(url, { onEvent, ...options }) {
    for await (const batch of events(url, options).batches()) {
      if (batch.some(({ type, data, lastEventId }) => onEvent(type, data, lastEventId))) return
    }
  },
  EventSource: (url, { onEvent, onOpen, ...options }) =>
    new Promise((resolve) => {
      const source = new EventSource(url, options)
      source.onopen = () => onOpen?.()
      for (const name of TYPES) {
        source.addEventListener(name, ({ type, data, lastEventId }: MessageEvent) => {
          if (onEvent(type, data, lastEventId)) resolve(source.close())
        })
      }
    }),
  'fetchEventSource()': async (url, { onEvent, onOpen, resume: _, ...options }) => {
    const control = new AbortController()
    await fetchEventSource(url, {
      ...options,
      signal: control.signal,
      onopen: async () => onOpen?.(),
      onmessage: ({ event, data, id }) => {
        if (onEvent(event || 'message', data, id)) control.abort()
      },
    })
  },
}

const post = {
  method: 'POST',
  body: '{"prompt":"hello"}',
  headers: { 'content-type': 'application/json' },
}
// These servers go on with a POST as with a GET; of itself none is repeated.
const requests = { GET: { method: 'GET' }, POST: { ...post, resume: 'same' } } as const
const rows = Object.keys(servers).flatMap((server) =>
  Object.keys(requests).flatMap((method) =>
    Object.keys(faces).map((face) => [face, method, server] as const),
  ),
) as [string, keyof typeof requests, keyof typeof servers][]

test.each(rows)(
  '%s reads a %s stream of %s, and resumes it where it was cut',
  async (face, method, server) => {
    const asked: Asked[] = []
    let line: Line | undefined
    const { url, socketsToBe } = await serve(
      servers[server](async (opened, request) => {
        line = opened
        asked.push(request)
        let id = Number(request.lastEventId)
        const next = (type?: string, text = '') =>
          opened.send({ type, data: `${++id}${text}`, id: `${id}`, retry: 1 })
        await next('tick')
        await next(undefined, ': zwei\nZeilen')
        await next('tick', ' …é😀')
        if (id > 3) await next('done')
        await open()
      }),
    )
    const told: string[] = []
    await (faces[face] as Read)(url, {
      ...requests[method],
      onOpen: () => void told.push('open'),
      onEvent: (type, data, id) => {
        told.push(`${type} ${id} ${data}`)
        if (id === '3') line?.cut()
        return type === 'done'
      },
    })
    expect(told).toEqual([
      'open',
      'tick 1 1',
      'message 2 2: zwei\nZeilen',
      'tick 3 3 …é😀',
      'open',
      'tick 4 4',
      'message 5 5: zwei\nZeilen',
      'tick 6 6 …é😀',
      'done 7 7',
    ])
    const body = method === 'POST' ? { prompt: 'hello' } : undefined
    expect(asked).toEqual([
      { method, lastEventId: '', body },
      { method, lastEventId: '3', body },
    ])
    await socketsToBe(0)
  },
)

describe.each(Object.entries(servers))('%s', (_, server) => {
  test('comments are life: idleTimeout waits while they come, and no longer', async () => {
    const { url, socketsToBe } = await serve(
      server(async ({ send, comment }) => {
        for (let i = 0; i < 12; i++) {
          await comment()
          await new Promise((resolve) => setTimeout(resolve, 25))
        }
        await send({ data: 'alive' })
        await open()
      }),
    )
    expect(await story(url, { retry: false, idleTimeout: 200 })).toEqual(['message alive', 'idle'])
    await socketsToBe(0)
  })

  test('the end of the stream ends a POST, and reconnects a GET', async () => {
    const { url } = await serve(
      server(async ({ send }, { lastEventId }) => {
        const id = `${Number(lastEventId) + 1}`
        await send({ data: id, id, retry: 1 })
      }),
    )
    expect(await story(url, post)).toEqual(['message 1', 'end'])
    expect(await story(url, { until: '3' })).toEqual(['message 1', 'message 2', 'end'])
  })

  test('the retry field sets the reconnection time', async () => {
    const { url } = await serve(
      server(async ({ send }) => {
        await send({ data: 'x', retry: 4321 })
        await open()
      }),
    )
    const source = events(url)
    expect(source.reconnectionTime).toBe(1000)
    for await (const _ of source) break
    expect(source.reconnectionTime).toBe(4321)
  })

  const BURST = 100_000
  test.each(Object.entries(faces))(
    '%s loses none of a burst of 100,000 events',
    async (_, read) => {
      const { url } = await serve(
        server(async ({ send }) => {
          for (let i = 1; i <= BURST; i++) await send({ data: `${i}` })
          await open()
        }),
      )
      let expected = 1
      await read(url, {
        onEvent: (_, data) => {
          if (data !== `${expected}`) throw new Error(`Expected ${expected}, got ${data}`)
          return expected++ === BURST
        },
      })
      expect(expected).toBe(BURST + 1)
    },
  )
})

/** What `events` tells: its events, then its end, or the code of its error. */
async function story(
  url: string,
  options: EventsOptions = {},
  onEvent?: (data: string) => unknown,
): Promise<string[]> {
  const told: string[] = []
  try {
    for await (const { type, data } of events(url, options)) {
      told.push(`${type} ${data}`)
      await onEvent?.(data)
    }
    told.push('end')
  } catch (error) {
    told.push(error instanceof SseError ? error.code : `${error}`)
  }
  return told
}

test('better-sse as it comes: its first retry and its pings are no events', async () => {
  const { url } = await serve(async (request, response) => {
    const session = await createSession(request, response, { keepAlive: 10 })
    setTimeout(() => session.push({ price: 1 }, 'tick'), 50)
  })
  const comments: string[] = []
  const onComment = (text: string) => comments.push(text)
  const source = events(url, { onComment, decode: (data) => JSON.parse(data) })
  for await (const event of source) {
    expect(event).toMatchObject({ type: 'tick', data: { price: 1 } })
    expect(event.lastEventId).toMatch(/^[\da-f-]{36}$/)
    break
  }
  expect(source.reconnectionTime).toBe(2000)
  expect(comments.length).toBeGreaterThan(1)
})

test('Express adds a charset to the content type, which does not matter', async () => {
  const { url } = await serve(expressServer(async ({ send }) => send({ data: 'x' })))
  let type: string | null = null
  const onOpen = (response: Response) => {
    type = response.headers.get('content-type')
  }
  expect(await story(url, { onEnd: 'complete', onOpen })).toEqual(['message x', 'end'])
  expect(type).toBe('text/event-stream; charset=utf-8')
})

test('the server gets the last event ID as UTF-8, whatever it is', async () => {
  const id = 'ü…😀 1'
  const asked: string[] = []
  const { url } = await serve((request, response) => {
    const header = request.headers['last-event-id'] as string | undefined
    asked.push(Buffer.from(header ?? '', 'latin1').toString())
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(asked.length === 1 ? `retry: 1\nid: ${id}\ndata: 1\n\n` : 'data: 2\n\n')
  })
  expect(await story(url, { until: '2' })).toEqual(['message 1', 'end'])
  expect(asked).toEqual(['', id])
})

describe('a compressed stream', () => {
  const codings = [
    ['gzip', () => createGzip({ flush: zlib.Z_SYNC_FLUSH })],
    ['deflate', () => createDeflate({ flush: zlib.Z_SYNC_FLUSH })],
    ['br', () => createBrotliCompress({ flush: zlib.BROTLI_OPERATION_FLUSH })],
  ] as const

  test.each(codings)('of %s gives each event when it is sent', async (coding, compress) => {
    let next: () => void = () => {}
    const { url } = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': coding })
      const body = compress()
      body.pipe(response)
      let i = 0
      next = () => (++i < 4 ? body.write(`data: ${i}\n\n`) : body.end())
      next()
    })
    // Each event asks for the next one: one held back would never come.
    const told = await story(url, { onEnd: 'complete' }, () => next())
    expect(told).toEqual(['message 1', 'message 2', 'message 3', 'end'])
  })

  test('that is cut off fails as a plain one does', async () => {
    let line: ServerResponse | undefined
    const { url } = await serve((_, response) => {
      line = response
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
      const body = createGzip({ flush: zlib.Z_SYNC_FLUSH })
      body.pipe(response)
      body.write('data: 1\n\n')
    })
    const told = await story(url, { retry: false }, () => line?.destroy())
    expect(told).toEqual(['message 1', 'network'])
  })
})

describe('a sender of its own ways', () => {
  const wires: [string, string[]][] = [
    [
      'a BOM and CRLF, a write a character',
      [...'\ufeffid: 1\r\ndata: a\r\ndata: b\r\n\r\ndata: \ufeffc\r\n\r\n'],
    ],
    [
      'a BOM and CR alone, the last of them the last byte',
      ['\ufeffid: 1\rdata: a\rdata: b\r\rdata: \ufeffc\r\r'],
    ],
  ]
  test.each(wires)('%s', async (_, writes) => {
    const { url } = await serve(async (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.socket?.setNoDelay()
      for (const text of writes) {
        await new Promise((resolve) => response.write(text, resolve))
        await new Promise(setImmediate)
      }
    })
    const told: string[] = []
    for await (const { data, lastEventId } of events(url)) {
      told.push(`${lastEventId} ${data}`)
      if (told.length === 2) break
    }
    expect(told).toEqual(['1 a\nb', '1 \ufeffc'])
  })
})

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

describe('a slow consumer', () => {
  const MIB = 2 ** 20
  const TOTAL = 128 * MIB
  const EVENT = `data: ${'x'.repeat(2 ** 14)}\n\n`

  const readers: [string, (url: string) => AsyncIterable<unknown>][] = [
    ['events()', (url) => events(url, { onEnd: 'complete' })],
    ['batches()', (url) => events(url, { onEnd: 'complete' }).batches()],
  ]
  test.each(readers)(
    'of %s stops the server’s writes, and memory stays flat',
    async (_, reader) => {
      let written = 0
      const { url } = await serve(async (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        while (written < TOTAL) {
          written += EVENT.length
          await write(response, EVENT)
        }
        response.end()
      })
      // What is in use: when V8 collects the rest is its own affair.
      const memory = () => {
        collectGarbage()
        return process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
      }
      const before = memory()
      let looked = 0
      let [peak, paused, received] = [0, 0, 0]
      for await (const batch of reader(url)) {
        received += [batch].flat().length
        if (received === [batch].flat().length) {
          // Until the server has been held up for a while: all that is in between is full.
          while (paused !== written) {
            paused = written
            await new Promise((resolve) => setTimeout(resolve, 100))
          }
        }
        if (received - looked < 512) continue
        looked = received
        peak = Math.max(peak, memory() - before)
      }
      expect(paused).toBeLessThan(TOTAL / 4)
      expect(received).toBe(Math.ceil(TOTAL / EVENT.length))
      expect(peak).toBeLessThan(TOTAL / 3)
    },
  )
})
