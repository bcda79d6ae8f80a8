import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { SseError } from '../../src/errors'
import { EventSource } from '../../src/faces/event-source'
import { type EventsOptions, events } from '../../src/faces/events'
import { dedupe } from '../../src/parts/dedupe'
import {
  type Answer,
  bytes,
  chunked,
  fin,
  reset,
  serveAnswers,
  silence,
  sized,
  status,
  stream,
  trickle,
} from './answers'
import { hurry } from './hurry'

const retry = { delay: 1, jitter: 0, factor: 1 }

beforeEach(() => hurry(20))

/**
 * What happened, in order: the requests (`GET`, `GET 1` with an ID to resume from), `open`, the
 * events (`a@1`), why a new attempt is made (`retry:network`, `retry:end`), and how it ended
 * (`done`, or an error's code).
 *
 * An event `FIN` or `RST` does that to the connection it came on, once it has been delivered.
 */
async function story(answers: readonly Answer[], options: EventsOptions = {}): Promise<string[]> {
  const told: string[] = []
  const server = await serveAnswers(answers, (request) => told.push(request))
  try {
    const stream = events(server.url, {
      retry,
      onOpen: () => told.push('open'),
      onReconnect: ({ error }) => told.push(`retry:${error?.code ?? 'end'}`),
      ...options,
    })
    for await (const { data, lastEventId } of stream) {
      told.push(`${data}@${lastEventId}`)
      for (const socket of server.sockets) {
        if (data === 'FIN') socket.end()
        if (data === 'RST') socket.resetAndDestroy()
      }
    }
    told.push('done')
  } catch (error) {
    told.push(error instanceof SseError ? error.code : `${error}`)
  }
  return told
}

interface Scenario {
  readonly name: string
  /** Why this is the right outcome: a section of a standard, or a promise of docs/reliability.md. */
  readonly basis: string
  readonly answers: readonly Answer[]
  readonly options?: EventsOptions
  readonly story: string
}

const RESUME = 'HTML 9.2.3, reestablish the connection'
const INTERPRET = 'HTML 9.2.6, interpreting an event stream'
const INCOMPLETE = 'RFC 9112 8, handling incomplete messages'

const scenarios: Scenario[] = [
  // Before there is a response.
  {
    name: 'closed before the headers',
    basis: 'HTML 9.2.3, network error',
    answers: [fin()],
    story: 'GET retry:network GET done',
  },
  {
    name: 'reset before the headers',
    basis: 'HTML 9.2.3, network error',
    answers: [reset],
    story: 'GET retry:network GET done',
  },
  {
    name: 'closed within the headers',
    basis: INCOMPLETE,
    answers: [fin(bytes('HTTP/1.1 200 OK\r\ncontent-type: text/event-st'))],
    story: 'GET retry:network GET done',
  },
  {
    name: 'something that is not HTTP',
    basis: 'RFC 9112 4, status line',
    answers: [fin(bytes('220 mail.example ESMTP\r\n'))],
    story: 'GET retry:network GET done',
  },
  {
    name: 'accepted, and never answered',
    basis: 'connectTimeout',
    answers: [silence],
    options: { connectTimeout: 50 },
    story: 'GET retry:timeout GET done',
  },
  {
    name: 'headers that never end, though bytes keep coming',
    basis: 'connectTimeout: the headers must have come, not their first byte',
    answers: [trickle([...'HTTP/1.1 200 OK\r\nx: '.padEnd(500, 'x')], 5)],
    options: { connectTimeout: 100 },
    story: 'GET retry:timeout GET done',
  },
  {
    name: 'informational responses before the stream',
    basis: 'RFC 9110 15.2',
    answers: [
      fin(
        bytes(
          'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nid: 1\ndata: a\n\n',
        ),
      ),
    ],
    story: 'GET open a@1 retry:end GET 1 done',
  },
  // The end of a body.
  {
    name: 'the end of a body that its connection delimits',
    basis: 'RFC 9112 6.3, case 8: not to be told from a cut',
    answers: [fin(stream('id: 1\ndata: a\n\n'))],
    story: 'GET open a@1 retry:end GET 1 done',
  },
  {
    name: 'the end of a chunked body',
    basis: RESUME,
    answers: [
      (socket) => {
        chunked('id: 1\ndata: a\n\n')(socket)
        socket.write('0\r\n\r\n')
      },
    ],
    story: 'GET open a@1 retry:end GET 1 done',
  },
  {
    name: 'the end of a body of known length',
    basis: RESUME,
    answers: [sized('id: 1\ndata: a\n\n')],
    story: 'GET open a@1 retry:end GET 1 done',
  },
  {
    name: 'an empty body',
    basis: RESUME,
    answers: [sized('')],
    story: 'GET open retry:end GET done',
  },
  {
    name: 'a 204',
    basis: 'HTML 9.2.1: a client can be told to stop reconnecting',
    answers: [status(204)],
    story: 'GET done',
  },
  {
    name: 'a chunked body cut between chunks',
    basis: INCOMPLETE,
    answers: [chunked('id: 1\ndata: FIN\n\n')],
    story: 'GET open FIN@1 retry:network GET 1 done',
  },
  {
    name: 'a chunked body cut within a chunk',
    basis: INCOMPLETE,
    answers: [
      bytes(
        'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nff\r\nid: 1\ndata: FIN\n\nid: 2',
      ),
    ],
    story: 'GET open FIN@1 retry:network GET 1 done',
  },
  {
    name: 'a body shorter than its length',
    basis: INCOMPLETE,
    answers: [sized('id: 1\ndata: FIN\n\n', 10)],
    story: 'GET open FIN@1 retry:network GET 1 done',
  },
  {
    name: 'a reset within the body',
    basis: 'HTML 9.2.3, network error',
    answers: [chunked('id: 1\ndata: RST\n\n')],
    story: 'GET open RST@1 retry:network GET 1 done',
  },
  {
    name: 'a chunk size that is no number',
    basis: 'RFC 9112 7.1',
    answers: [
      async (socket) => {
        chunked('id: 1\ndata: a\n\n')(socket)
        await new Promise((resolve) => setTimeout(resolve, 50))
        socket.write('size?\r\n')
      },
    ],
    story: 'GET open a@1 retry:network GET 1 done',
  },
  {
    name: 'a body longer than its length: the rest is not part of it',
    basis: 'RFC 9112 6.3, case 6',
    answers: [sized('id: 1\ndata: a\n\nid: 2\ndata: b\n\n', -'id: 2\ndata: b\n\n'.length)],
    story: 'GET open a@1 retry:end GET 1 done',
  },
  {
    name: 'a compressed body',
    basis: 'RFC 9110 8.4',
    answers: [
      (socket) => {
        const body = gzipSync('id: 1\ndata: a\n\n')
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`,
        )
        socket.write(body)
      },
    ],
    story: 'GET open a@1 retry:end GET 1 done',
  },
  {
    name: 'a compressed body that is damaged',
    basis: 'RFC 9110 8.4',
    answers: [
      bytes(
        'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nno gzip !',
      ),
    ],
    story: 'GET open retry:network GET done',
  },
  // Where the cut falls.
  {
    name: 'cut between the id line and the blank line: the event comes again',
    basis: INTERPRET,
    answers: [fin(stream('id: 1\ndata: a\n\nid: 2\ndata: b\n'))],
    story: 'GET open a@1 retry:truncated GET 1 done',
  },
  {
    name: 'cut after the CR of the CRLF that ends the event: it has been dispatched',
    basis: INTERPRET,
    answers: [fin(stream('id: 1\r\ndata: a\r\n\r'))],
    story: 'GET open a@1 retry:end GET 1 done',
  },
  {
    name: 'cut within a character: nothing of it is left for the next connection',
    basis: INTERPRET,
    answers: [
      fin((socket) => {
        stream('id: 1\ndata: a\n\ndata: ')(socket)
        socket.write(Buffer.from([0xe2, 0x82]))
      }),
      fin(stream('id: 2\ndata: €\n\n')),
    ],
    story: 'GET open a@1 retry:truncated GET 1 open €@2 retry:end GET 2 done',
  },
  {
    name: 'cut within a line: nothing of it is left for the next connection',
    basis: INTERPRET,
    answers: [fin(stream('event: odd\nid: 9\ndata: a')), fin(stream('data: b\n\n'))],
    story: 'GET open retry:truncated GET open b@ retry:end GET done',
  },
  {
    name: 'a BOM at the start of each connection',
    basis: 'HTML 9.2.5, stream = [ bom ] *event',
    answers: [fin(stream('\ufeffid: 1\ndata: a\n\n')), fin(stream('\ufeffid: 2\ndata: b\n\n'))],
    story: 'GET open a@1 retry:end GET 1 open b@2 retry:end GET 2 done',
  },
  {
    name: 'cut after a block with an id and no data: the place has moved',
    basis: INTERPRET,
    answers: [fin(stream('id: 1\ndata: a\n\nid: 2\n\n'))],
    story: 'GET open a@1 retry:end GET 2 done',
  },
  {
    name: 'an empty id: the stream begins anew',
    basis: 'HTML 9.2.4, the Last-Event-ID header',
    answers: [fin(stream('id: 1\ndata: a\n\nid\ndata: b\n\n'))],
    story: 'GET open a@1 b@ retry:end GET done',
  },
  {
    name: 'an id that HTTP cannot carry does not prevent the reconnect',
    basis: 'small print: a reconnect without the header beats none',
    answers: [fin(stream('id: a\u0001b\ndata: a\n\n'))],
    story: 'GET open a@a\u0001b retry:end GET done',
  },
  {
    name: 'an id of 8 KiB, as that of a feed of many topics',
    basis: 'small print: sent up to 8 KiB',
    answers: [fin(stream(`id: ${'x'.repeat(8192)}\ndata: a\n\n`))],
    story: `GET open a@${'x'.repeat(8192)} retry:end GET ${'x'.repeat(8192)} done`,
  },
  {
    name: 'an id of more than 8 KiB does not prevent the reconnect',
    basis: 'small print: servers refuse such headers',
    answers: [fin(stream(`id: ${'x'.repeat(8193)}\ndata: a\n\n`))],
    story: `GET open a@${'x'.repeat(8193)} retry:end GET done`,
  },
  {
    name: 'replayed events, cut in the middle: the place does not go back',
    basis: 'dedupe',
    answers: [
      fin(stream('id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n')),
      fin(stream('id: 2\ndata: b\n\n')),
      fin(stream('id: 3\ndata: c\n\nid: 4\ndata: d\n\n')),
    ],
    options: { skip: dedupe(2) },
    story:
      'GET open a@1 b@2 c@3 retry:end GET 3 open retry:end GET 3 open d@4 retry:end GET 4 done',
  },
  {
    name: 'an event without its blank line, where that is how the server ends',
    basis: 'incomplete: deliver',
    answers: [fin(stream('id: 1\ndata: a\n\nid: 2\ndata: b'))],
    options: { incomplete: 'deliver' },
    // Its own ID may be cut, so the one before it counts.
    story: 'GET open a@1 b@1 retry:end GET 1 done',
  },
  {
    name: 'a terminal event without its blank line',
    basis: 'until: gateways leave it out',
    answers: [fin(stream('data: a\n\ndata: [DONE]'))],
    options: { until: '[DONE]' },
    story: 'GET open a@ done',
  },
  {
    name: 'a comment without its line end',
    basis: 'incomplete: comments and blank lines do not count',
    answers: [fin(stream('id: 1\ndata: a\n\n: still he'))],
    story: 'GET open a@1 retry:end GET 1 done',
  },
  // Silence.
  {
    name: 'silence after the headers',
    basis: 'idleTimeout',
    answers: [stream('')],
    options: { idleTimeout: 50 },
    story: 'GET open retry:idle GET done',
  },
  {
    name: 'silence in the middle of an event: half-open, a dead route, a sleeping server',
    basis: 'idleTimeout',
    answers: [stream('id: 1\ndata: a\n\nid: 2\nda')],
    options: { idleTimeout: 50 },
    story: 'GET open a@1 retry:idle GET 1 done',
  },
  {
    name: 'nothing but comments: a sign of life',
    basis: 'idleTimeout: bytes count',
    answers: [trickle([...Array(12).fill(':\n'), 'id: 1\ndata: FIN\n\n'], 50, stream(''))],
    options: { idleTimeout: 400 },
    story: 'GET open FIN@1 retry:end GET 1 done',
  },
  {
    name: 'one byte of an event at a time: a sign of life',
    basis: 'idleTimeout: bytes count',
    answers: [trickle([...'data: FIN', '\n\n'], 60, stream(''))],
    options: { idleTimeout: 400 },
    story: 'GET open FIN@ retry:end GET done',
  },
  // A terminal event.
  {
    name: 'the end of the stream before the terminal event',
    basis: 'until',
    answers: [fin(stream('id: 1\ndata: a\n\n')), stream('id: 2\ndata: b\n\ndata: [DONE]\n\n')],
    options: { until: '[DONE]' },
    story: 'GET open a@1 retry:truncated GET 1 open b@2 done',
  },
  // Refusals.
  ...[408, 425, 429, 500, 502, 503, 504, 520, 529].map((code) => ({
    name: `a ${code}, then the stream`,
    basis: 'retried by default',
    answers: [status(code), fin(stream('data: a\n\n'))],
    story: 'GET retry:status GET open a@ retry:end GET done',
  })),
  ...[201, 202].map((code) => ({
    name: `a ${code} that is an event stream`,
    basis: 'accept: NestJS answers a POST with 201',
    answers: [
      fin(
        bytes(
          `HTTP/1.1 ${code} Said So\r\ncontent-type: text/event-stream\r\n\r\nid: 1\ndata: a\n\n`,
        ),
      ),
    ],
    story: 'GET open a@1 retry:end GET 1 done',
  })),
  {
    name: 'a 404 for a moment, of a stream that was open',
    basis: 'what is passing: a container that is replaced',
    answers: [
      fin(stream('id: 1\ndata: a\n\n')),
      ...Array(5).fill(status(404)),
      stream('data: FIN\n\n'),
    ],
    story: `GET open a@1 retry:end ${'GET 1 retry:status '.repeat(5)}GET 1 open FIN@1 retry:end GET 1 done`,
  },
  {
    name: 'a page for a moment, of a stream that was open',
    basis: 'what is passing: a fallback page, a hotel’s portal',
    answers: [
      fin(stream('id: 1\ndata: a\n\n')),
      ...Array(5).fill(fin(bytes('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p>'))),
      stream('data: FIN\n\n'),
    ],
    story: `GET open a@1 retry:end ${'GET 1 retry:content-type '.repeat(5)}GET 1 open FIN@1 retry:end GET 1 done`,
  },
  {
    name: 'a 404 that stays, of a stream that was open',
    basis: 'what is passing: five times in a row',
    answers: [fin(stream('id: 1\ndata: a\n\n')), ...Array(9).fill(status(404))],
    story: `GET open a@1 retry:end ${'GET 1 retry:status '.repeat(5)}GET 1 status`,
  },
  ...[203, 205, 299, 304, 400, 401, 403, 404, 409, 410, 501, 505].map((code) => ({
    name: `a ${code}`,
    basis: 'not retried: HTML 9.2.3, any other status fails the connection',
    answers: [status(code)],
    story: 'GET status',
  })),
  {
    name: 'a login page with status 200',
    basis: 'HTML 9.2.3, the MIME type fails the connection',
    answers: [fin(bytes('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<form>'))],
    story: 'GET content-type',
  },
  {
    name: 'no content type',
    basis: 'HTML 9.2.3, the MIME type fails the connection',
    answers: [fin(bytes('HTTP/1.1 200 OK\r\n\r\ndata: a\n\n'))],
    story: 'GET content-type',
  },
  {
    name: 'a content type in capitals and with parameters',
    basis: 'MIME Sniffing 4.2, the essence',
    answers: [
      fin(bytes('HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream;charset=x\r\n\r\ndata: a\n\n')),
    ],
    story: 'GET open a@ retry:end GET done',
  },
  {
    name: 'a refusal whose body never ends',
    basis: 'a refused body is read up to its cap, and dropped',
    answers: [bytes(`HTTP/1.1 403 No\r\ncontent-type: text/plain\r\n\r\n${'x'.repeat(10_000)}`)],
    story: 'GET status',
  },
  {
    name: 'a redirect without a location',
    basis: 'Fetch, HTTP-redirect fetch',
    answers: [status(302)],
    story: 'GET status',
  },
  {
    name: 'a redirect that leads to itself',
    basis: 'Fetch, HTTP-redirect fetch: 20 at most',
    answers: Array.from({ length: 30 }, () => status(302, 'location: /\r\n')),
    options: { headers: { 'x-api-key': 'k' } },
    story: `${'GET '.repeat(21)}redirect`,
  },
  {
    name: 'a redirect to another origin, with headers of the caller',
    basis: 'credentials',
    answers: [status(307, 'location: http://other.invalid/\r\n')],
    options: { headers: { 'x-api-key': 'k' } },
    story: 'GET redirect',
  },
  {
    name: 'a temporary redirect: the reconnect asks the original URL again',
    basis: 'small print; HTML 9.2.3 has the URL never change',
    answers: [
      status(307, 'location: /elsewhere\r\n'),
      fin(stream('id: 1\ndata: a\n\n')),
      fin(stream('id: 2\ndata: b\n\n')),
    ],
    options: { headers: { 'x-api-key': 'k' } },
    story: 'GET GET open a@1 retry:end GET 1 open b@2 retry:end GET 2 done',
  },
  // Limits.
  {
    name: 'an event over the limit, after one that is not',
    basis: 'maxEventSize: what came before is delivered',
    answers: [stream(`id: 1\ndata: a\n\nid: 2\ndata: ${'x'.repeat(100)}\n\n`)],
    options: { maxEventSize: 50 },
    story: 'GET open a@1 too-large',
  },
]

describe('each fault has one outcome', () => {
  for (const { name, basis, answers, options, story: expected } of scenarios) {
    test(`${name} (${basis})`, async () => {
      expect((await story(answers, options)).join(' ')).toBe(expected)
    })
  }
})

test('what comes with the terminal event and after it is not lost to a second iteration', async () => {
  const wire = 'id: 1\ndata: a\n\nid: 2\ndata: [DONE]\n\nid: 3\ndata: b\n\n'
  const server = await serveAnswers([stream(wire), fin(stream('id: 3\ndata: b\n\n'))])
  const source = events(server.url, { retry, until: '[DONE]' })
  const told: string[] = []
  for await (const { data } of source) told.push(data)
  const again = (async () => {
    for await (const { data } of source) told.push(data)
  })()
  // A 204 is no terminal event.
  await expect(again).rejects.toMatchObject({ code: 'truncated', retriable: false })
  // From the last event that was delivered: the terminal one is not.
  expect([...told, ...server.requests]).toEqual(['a', 'b', 'GET', 'GET 1', 'GET 3'])
})

describe('a machine that says it is offline', () => {
  test('asks all the same, since a server on this machine answers', async () => {
    vi.stubGlobal('navigator', { onLine: false })
    const told = await story([fin(stream('id: 1\ndata: a\n\n')), reset])
    expect(told.join(' ')).toBe('GET open a@1 retry:end GET 1 retry:network GET 1 done')
  })

  test('connects by reconnect(), and by the plain class', async () => {
    vi.stubGlobal('navigator', { onLine: false })
    const server = await serveAnswers([reset, reset, stream('data: a\n\n'), stream('data: b\n\n')])
    const source = events(server.url, {
      onReconnect: () => queueMicrotask(() => source.reconnect()),
    })
    for await (const { data } of source) {
      expect(data).toBe('a')
      break
    }
    const plain = new EventSource(server.url)
    const data = await new Promise((resolve) => {
      plain.onmessage = ({ data }) => resolve(data)
    })
    plain.close()
    expect(data).toBe('b')
  })
})

describe('what the runtime hides', () => {
  test('Node takes the reset of a body that its connection delimits for its end', async () => {
    const told = await story([stream('id: 1\ndata: RST\n\n')])
    expect(told.join(' ')).toBe('GET open RST@1 retry:end GET 1 done')
  })

  test('Node’s own timeout of a silent body is a lost connection, with its cause', async () => {
    // Node's timeout is 300 s; its own class, which it does not export, makes a short one.
    await fetch('data:,')
    const { constructor: Agent } = (globalThis as Record<symbol, object>)[
      Symbol.for('undici.globalDispatcher.1')
    ] as { constructor: new (options: object) => unknown }
    const dispatcher = new Agent({ bodyTimeout: 50 })
    const causes: unknown[] = []
    const told = await story([stream('id: 1\ndata: a\n\n')], {
      fetch: (url, init) => fetch(url, { ...init, dispatcher } as RequestInit),
      onReconnect({ error }) {
        const { message, cause } = (error as SseError).cause as Error
        causes.push(`${message}: ${(cause as { code: string }).code}`)
      },
    })
    expect(told.join(' ')).toBe('GET open a@1 GET 1 done')
    expect(causes).toEqual(['terminated: UND_ERR_BODY_TIMEOUT'])
  })
})
