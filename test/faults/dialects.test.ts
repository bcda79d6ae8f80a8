import type { IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { beforeEach, describe, expect, test } from 'vitest'
import { type EventStream, events } from '../../src/faces/events'
import type { AnyEvent } from '../../src/parser/event'
import { parseJson } from '../../src/parts/parse-json'
import { serve } from '../support/server'
import { hurry } from './hurry'
import { Random, seedOf } from './random'

const retry = { delay: 1, jitter: 0, factor: 1 }
beforeEach(() => hurry(100))

/** Each event has its number; the last one ends the stream. */
const LAST = 2500

interface Asked {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** How a server numbers its events, and how it is asked to go on. */
interface Dialect {
  readonly name: string
  readonly seed: number
  /** The event of this number, as it is sent. */
  wire(number: number): string
  /** The number that a request goes on after: 0 for a new stream. */
  after(asked: Asked): number
  readonly headers?: Record<string, string>
  /** What the first request asks for. */
  readonly begins: string
  /** It starts something, so it must never come again. */
  readonly once?: boolean
  open(url: string): EventStream<AnyEvent>
  /** The number of an event; 0 for one that has none. */
  numberOf(event: AnyEvent): number
  /** What the protocol allows. Default: each event arrives once. */
  readonly repeats?: boolean
}

const lastEventId = ({ headers }: Asked) => Number(headers['last-event-id'] ?? 0)
const payload = (number: number) => JSON.stringify({ number, text: 'Größe\n☃' })
const byData = ({ data }: AnyEvent): number => JSON.parse(data).number ?? 0

const dialects: Dialect[] = [
  {
    name: 'plain Server-Sent Events, by Last-Event-ID',
    seed: 21,
    wire: (number) => `id: ${number}\ndata: ${payload(number)}\n\n`,
    after: lastEventId,
    begins: 'GET /',
    open: (url) => events(url, { retry }),
    numberOf: byData,
  },
  {
    name: 'a run: POST, then GET of its Location, by Last-Event-ID',
    seed: 22,
    wire: (number) =>
      `${number === LAST ? 'event: end\n' : ''}id: ${number}\ndata: ${payload(number)}\n\n`,
    headers: { location: '/runs/7/stream' },
    after(asked) {
      if (asked.method === 'GET') expect(asked.url.pathname).toBe('/runs/7/stream')
      else expect(asked.body).toBe('{"question":"why?"}')
      return lastEventId(asked)
    },
    begins: 'POST /',
    once: true,
    open: (url) =>
      events(url, {
        retry,
        json: { question: 'why?' },
        resume: ({ first }) => first.headers.get('location'),
        until: { type: 'end' },
      }),
    numberOf: byData,
  },
  {
    name: 'responses: POST, then GET by the ID and the number in the data',
    seed: 23,
    wire(number) {
      const type =
        number === 1
          ? 'response.created'
          : number === LAST
            ? 'response.completed'
            : 'response.delta'
      const response = type === 'response.delta' ? undefined : { id: 'resp_1' }
      const data = { type, sequence_number: number - 1, response, delta: 'Größe ☃' }
      return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
    },
    after({ method, url, headers }) {
      expect(headers['last-event-id']).toBe(undefined)
      if (method === 'POST') return 0
      expect(url.pathname).toBe('/resp_1')
      return Number(url.searchParams.get('starting_after')) + 1
    },
    begins: 'POST /',
    once: true,
    open(url) {
      let id: string | undefined
      return events(url, {
        retry,
        json: { model: 'm', stream: true },
        decode: parseJson,
        cursor({ data }) {
          id ??= data.response?.id
          return data.sequence_number
        },
        resume: ({ cursor }) => id && `/${id}?stream=true&starting_after=${cursor}`,
        until: { type: 'response.completed' },
      })
    },
    numberOf: ({ data }) => data.sequence_number + 1,
  },
  {
    name: 'an offset in a control event, after its data event',
    seed: 24,
    wire: (number) =>
      `event: data\ndata: ${payload(number)}\n\nevent: control\ndata: {"offset":"o${number}"}\n\n`,
    after: ({ url }) => Number(url.searchParams.get('offset')?.slice(1)),
    begins: 'GET /?offset=o0',
    open: (url) =>
      events(({ cursor }) => `${url}?offset=${cursor || 'o0'}`, {
        retry,
        decode: parseJson,
        cursor: ({ type, data }) => (type === 'control' ? data.offset : undefined),
      }),
    numberOf: ({ type, data }) => (type === 'data' ? data.number : 0),
    repeats: true,
  },
  {
    name: 'a log: by a query, without IDs',
    seed: 25,
    wire: (number) => `data: ${payload(number)}\n\n`,
    after({ url, headers }) {
      expect(headers['last-event-id']).toBe(undefined)
      return Number(url.searchParams.get('since'))
    },
    begins: 'GET /?since=',
    open: (url) =>
      events(({ cursor }) => `${url}?since=${cursor}`, {
        retry,
        decode: parseJson,
        cursor: ({ data }) => data.number,
      }),
    numberOf: ({ data }) => data.number,
  },
  {
    name: 'the same POST again, by contract, with Last-Event-ID',
    seed: 26,
    wire: (number) =>
      `${number === LAST ? 'event: finished\n' : ''}id: ${number}\ndata: ${payload(number)}\n\n`,
    after(asked) {
      expect([asked.method, asked.body]).toEqual(['POST', '{"thread":1}'])
      return lastEventId(asked)
    },
    begins: 'POST /',
    open: (url) =>
      events(url, { retry, json: { thread: 1 }, resume: 'same', until: { type: 'finished' } }),
    numberOf: byData,
  },
]

/** Kills its connections at places that the seed chooses, until it has sent the last event. */
async function serveKilled(dialect: Dialect, random: Random) {
  const kills: string[] = []
  const asked: string[] = []
  const failures: unknown[] = []
  const server = await serve(async (request, response) => {
    const { method = '', headers } = request
    const url = new URL(request.url ?? '', 'http://x')
    const short = `${method} ${request.url}`
    const first = asked.length === 0
    asked.push(headers['last-event-id'] ? `${short} ${headers['last-event-id']}` : short)
    let next = 1
    try {
      next += dialect.after({ method, url, headers, body: await text(request) })
    } catch (error) {
      failures.push(error)
    }
    const how = random.pick(['FIN', 'RST', 'end', 'headers', 'before'])
    // The first answer says where to go on: nothing would be known without its head and first event.
    if (!first && next <= LAST && how === 'before') {
      kills.push(how)
      return request.socket.resetAndDestroy()
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', ...dialect.headers })
    let wire = ''
    const last = Math.min(LAST, next - 1 + random.integer(first ? 1 : 0, 20))
    while (next <= last) wire += dialect.wire(next++)
    if (last === LAST) return response.end(wire)
    kills.push(how)
    if (how === 'headers' && !first) {
      response.flushHeaders()
      return response.destroy()
    }
    const part = Buffer.from(dialect.wire(next))
    const bytes = Buffer.concat([
      Buffer.from(wire),
      part.subarray(0, random.integer(0, part.length - 1)),
    ])
    if (how === 'end') return response.end(bytes)
    response.write(bytes, () => {
      if (how === 'RST' && !first) response.socket?.resetAndDestroy()
      else response.destroy()
    })
  })
  return { url: server.url, kills, asked, failures }
}

describe('200 kills and more lose nothing and double nothing, of', () => {
  for (const dialect of dialects) {
    const seed = seedOf(dialect.seed)
    test(`${dialect.name}, seed ${seed}`, { timeout: 60_000 }, async () => {
      const server = await serveKilled(dialect, new Random(seed))
      let due = 1
      let repeated = 0
      const source = dialect.open(`${server.url}/`)
      for await (const event of source) {
        const number = dialect.numberOf(event)
        if (number === 0) continue
        if (dialect.repeats && number === due - 1) repeated++
        else if (number !== due++) expect.fail(`Expected ${due - 1}, got ${number}`)
        if (number === LAST) break
      }
      expect(server.failures).toEqual([])
      expect(due).toBe(LAST + 1)
      expect(server.kills.length).toBeGreaterThan(200)
      expect(new Set(server.kills).size).toBe(5)
      // A key of the app's own, as `due` here, is what tells a repeated event.
      expect(repeated > 0).toBe(!!dialect.repeats)
      expect(server.asked[0]).toBe(dialect.begins)
      if (dialect.once) expect(server.asked.lastIndexOf(dialect.begins)).toBe(0)
    })
  }
})

describe('a stream that is left and iterated again goes on, and begins nothing anew, of', () => {
  for (const dialect of dialects) {
    const seed = seedOf(dialect.seed + 10)
    test(`${dialect.name}, seed ${seed}`, { timeout: 60_000 }, async () => {
      const random = new Random(seed)
      const server = await serveKilled(dialect, random)
      let due = 1
      const source = dialect.open(`${server.url}/`)
      for (let left = 0; due <= LAST && left < 500; left++) {
        for await (const event of source) {
          const number = dialect.numberOf(event)
          if (number === 0 || (dialect.repeats && number === due - 1)) continue
          if (number !== due++) expect.fail(`Expected ${due - 1}, got ${number}`)
          if (due > LAST || random.chance(0.05)) break
        }
      }
      expect([server.failures, due]).toEqual([[], LAST + 1])
      if (dialect.once) expect(server.asked.lastIndexOf(dialect.begins)).toBe(0)
    })
  }
})
