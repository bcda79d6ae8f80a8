import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { createSseStream } from '@azure/core-sse'
import * as original from '@microsoft/fetch-event-source'
import * as npm from 'eventsource'
import { createEventSource } from 'eventsource-client'
import { createParser } from 'eventsource-parser'
import { parseServerSentEvents } from 'parse-sse'
import Reconnecting from 'reconnecting-eventsource'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { EventSource, events } from '../src'
import { EventStreamDecoder } from '../src/parser'
import { body } from './support/response'
import { serve } from './support/server'

const page = readFileSync(new URL('../docs/comparison.md', import.meta.url), 'utf8')

/** The cells of a table of the page by row and column; in a cell, `yes` or `no` is what counts. */
function table(heading: string): Map<string, Map<string, string>> {
  const [, section = ''] = page.split(`## ${heading}\n`)
  const own = section.split('\n## ')[0] ?? ''
  const [head = [], , ...rows] = [...own.matchAll(/^\|(.+)\|$/gm)].map(([, row = '']) =>
    row.split('|').map((cell) => cell.trim().replaceAll('`', '')),
  )
  return new Map(
    rows.map(([row = '', ...cells]) => [
      row,
      new Map(cells.map((cell, i) => [head[i + 1] ?? '', /^(yes|no)\b/.exec(cell)?.[1] ?? cell])),
    ]),
  )
}

interface Wanted {
  headers?: Record<string, string>
  post?: string
}

/** Connects, and tells what happens; returns how to stop. */
type Client = (
  url: string,
  wanted: Wanted,
  tell: { event(data: string): void; error(error: unknown): void; end(): void },
) => () => void

/** For what takes headers and a body through its `fetch` alone. */
const through =
  ({ headers, post }: Wanted) =>
  (url: string | URL, init: object = {}) =>
    fetch(url, {
      ...init,
      headers: { ...(init as RequestInit).headers, ...headers },
      ...(post !== undefined && { method: 'POST', body: post }),
    } as RequestInit)

/** What the class of the standard says, whoever wrote it. */
function listen(
  source: {
    onmessage: unknown
    onerror: unknown
    readonly readyState: number
    close(): void
  },
  tell: Parameters<Client>[2],
): () => void {
  source.onmessage = ({ data }: MessageEvent) => tell.event(data)
  source.onerror = (error: unknown) => {
    tell.error(error)
    if (source.readyState === 2) tell.end()
  }
  return () => source.close()
}

const NativeEventSource = await (async () => {
  // Node's own, which is off by default.
  const { EventSource } = await import('undici')
  return EventSource as unknown as typeof globalThis.EventSource
})()

const clients: Record<string, Client> = {
  'native (undici)': (url, _, tell) => listen(new NativeEventSource(url), tell),
  'reconnecting-eventsource': (url, _, tell) => {
    const options = { eventSourceClass: NativeEventSource, max_retry_time: 20 }
    return listen(new Reconnecting(url, options), tell)
  },
  '@microsoft/fetch-event-source': (url, { headers = {}, post }, tell) => {
    // It takes a page for granted.
    vi.stubGlobal('window', globalThis)
    vi.stubGlobal('document', new EventTarget())
    onTestFinished(() => {
      vi.unstubAllGlobals()
    })
    const control = new AbortController()
    original
      .fetchEventSource(url, {
        headers,
        ...(post !== undefined && { method: 'POST', body: post }),
        signal: control.signal,
        onmessage: ({ data }) => data && tell.event(data),
        onerror: tell.error,
      })
      .then(tell.end, tell.end)
    return () => control.abort()
  },
  eventsource: (url, wanted, tell) =>
    listen(new npm.EventSource(url, { fetch: through(wanted) as typeof fetch }), tell),
  'eventsource-client': (url, { headers, post }, tell) => {
    const source = createEventSource({
      url,
      headers,
      ...(post !== undefined && { method: 'POST', body: post }),
      onMessage: ({ data }) => tell.event(data),
    })
    return () => source.close()
  },
  'Tidings EventSource': (url, { headers, post }, tell) =>
    listen(new EventSource(url, { headers, body: post }), tell),
  'Tidings events()': (url, { headers, post }, tell) => {
    const stream = events(url, { headers, body: post })
    const read = async () => {
      for await (const { data } of stream) tell.event(data)
    }
    read().catch(tell.error).finally(tell.end)
    return () => stream.close()
  },
}

interface Run {
  /** What the server saw, in order. */
  readonly requests: (IncomingMessage & { body: string })[]
  readonly events: string[]
  readonly errors: unknown[]
  /** Resolves at the second request, or when the client says that it is over. */
  readonly settled: Promise<'again' | 'over'>
}

type Answer = (response: ServerResponse) => void

/** A client at a server that gives these answers, and then a stream that stays open. */
async function run(client: Client, answers: Answer[], wanted: Wanted = {}): Promise<Run> {
  const requests: Run['requests'] = []
  let settle: (how: 'again' | 'over') => void
  const settled = new Promise<'again' | 'over'>((resolve) => {
    settle = resolve
  })
  const server = await serve(async (request, response) => {
    requests.push(Object.assign(request, { body: await text(request) }))
    const answer = answers[requests.length - 1]
    if (answer) answer(response)
    else stream('')(response)
    if (requests.length === 2) settle('again')
  })
  const events: string[] = []
  const errors: unknown[] = []
  const stop = client(server.url, wanted, {
    event: (data) => events.push(data),
    error: (error) => {
      errors.push(error)
    },
    end: () => settle('over'),
  })
  onTestFinished(stop)
  return { requests, events, errors, settled }
}

const head = { 'content-type': 'text/event-stream' }
const stream =
  (wire: string): Answer =>
  (response) => {
    response.writeHead(200, head).flushHeaders()
    response.write(wire)
  }
/** Ends the stream as it should be ended. */
const ended =
  (wire: string): Answer =>
  (response) => {
    response.writeHead(200, head).end(wire)
  }
const cut =
  (wire: string): Answer =>
  (response) => {
    response.writeHead(200, head)
    response.write(wire, () => setTimeout(() => response.destroy(), 20))
  }
const refuse =
  (status: number): Answer =>
  (response) => {
    response.writeHead(status, { 'content-type': 'text/plain' }).end('No.')
  }

const secret = { headers: { 'x-mine': 'yes' } }

/** A row of the page, as something to try. */
const trials: Record<string, (client: Client) => Promise<boolean>> = {
  'request headers': async (client) => {
    const { requests, settled } = await run(client, [ended('retry: 10\n\n')], secret)
    await Promise.race([settled, vi.waitUntil(() => requests.length > 0)])
    return requests[0]?.headers['x-mine'] === 'yes'
  },
  POST: async (client) => {
    const { requests } = await run(client, [stream(': \n')], { post: 'hello' })
    await vi.waitUntil(() => requests.length > 0)
    return requests[0]?.method === 'POST' && requests[0].body === 'hello'
  },
  'a lost connection is resumed from the last event ID': async (client) => {
    const { requests, settled } = await run(client, [cut('retry: 10\nid: 1\ndata: a\n\n')])
    return (await settled) === 'again' && requests[1]?.headers['last-event-id'] === '1'
  },
  'an event cut in the middle is asked for again': async (client) => {
    const wire = 'retry: 10\nid: 1\ndata: a\n\nid: 2\ndata: b'
    const { requests, settled } = await run(client, [cut(wire)])
    return (await settled) === 'again' && requests[1]?.headers['last-event-id'] === '1'
  },
  'tells the status of a refusal': async (client) => {
    const { errors, settled } = await run(client, [refuse(403), ended('')])
    await settled
    return errors.some((error) => {
      const { code, status, message } = error as Record<string, unknown>
      return [code, status].includes(403) || String(message).includes('403')
    })
  },
  'a 403 ends it': async (client) => (await (await run(client, [refuse(403)])).settled) === 'over',
  'a 503 is tried again': async (client) =>
    (await (await run(client, [refuse(503)])).settled) === 'again',
  'a POST that is complete is sent again': async (client) => {
    const answers = [ended('retry: 10\ndata: a\n\n')]
    return (await (await run(client, answers, { post: 'pay' })).settled) === 'again'
  },
}

describe.each(Object.entries(clients))('%s', (name, client) => {
  test.each(Object.entries(trials))(
    'does as the page says: %s',
    { timeout: 10_000 },
    async (row, trial) => {
      const cell = table('Clients').get(row)?.get(name)
      expect(cell).toMatch(/^(yes|no|–)$/)
      // A dash: what is asked makes no sense for it.
      if (cell !== '–') expect((await trial(client)) ? 'yes' : 'no').toBe(cell)
    },
  )
})

type Parser = (chunks: string[]) => Promise<string[]>

const collect = async (from: AsyncIterable<{ data?: string | undefined }>) => {
  const found: string[] = []
  for await (const { data } of from) found.push(String(data))
  return found
}

const parsers: Record<string, Parser> = {
  'eventsource-parser': async (chunks) => {
    const found: string[] = []
    const parser = createParser({ onEvent: ({ data }) => found.push(data) })
    for (const chunk of chunks) parser.feed(chunk)
    return found
  },
  'parse-sse': (chunks) =>
    collect(parseServerSentEvents(new Response(body(chunks), { headers: head }))),
  '@azure/core-sse': (chunks) =>
    collect(createSseStream(body(chunks)) as AsyncIterable<{ data: string | undefined }>),
  EventStreamDecoder: (chunks) => collect(body(chunks).pipeThrough(new EventStreamDecoder())),
}

/** A row of the page, as chunks and what the standard makes of them. */
const wires: Record<string, [chunks: string[], data: string[]]> = {
  'an event without its blank line is dropped': [['data: a\n\ndata: b'], ['a']],
  'an event with empty data is an event': [['data:\n\n'], ['']],
  'a line that is a field name alone': [['data\ndata\n\n'], ['\n']],
  'CR alone ends a line': [['data: a\r\rdata: b\r\r'], ['a', 'b']],
  'CR and LF in two chunks are one line end': [['data: a\r', '\n\r\n'], ['a']],
  'a byte order mark is left out': [['\uFEFFdata: a\n\n'], ['a']],
}

describe.each(Object.entries(parsers))('%s', (name, parse) => {
  test.each(Object.entries(wires))('does as the page says: %s', async (row, [chunks, data]) => {
    const found = await parse(chunks)
    const right = JSON.stringify(found) === JSON.stringify(data)
    expect(right ? 'yes' : 'no').toBe(table('Parsers').get(row)?.get(name))
  })
})
