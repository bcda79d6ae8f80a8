import type { Socket } from 'node:net'
import type { ServerSentEvent } from '../../src/index'
import { serveRaw, type TestServer } from '../support/server'
import { Random } from './random'

/** How the body is delimited. */
export type Framing = 'none' | 'close' | 'chunked' | 'length'
/** Where the connection is cut. */
export type Place = 'before headers' | 'in headers' | 'between' | 'in an event' | 'in a character'
/** What the client meets there. */
export type Ending = 'FIN' | 'RST' | 'stall' | 'garbage' | 'end'

const ENDINGS: readonly Ending[] = ['FIN', 'RST', 'stall', 'garbage', 'end']

export interface FaultOptions {
  readonly seed: number
  /** How many events the stream has; their IDs begin with 1. */
  readonly events: number
  /** Events from one fault to the next, on average. Default: 120. */
  readonly between?: number
  /** Share of the stalls among the faults, which cost a timeout each. Default: 0.03. */
  readonly stalls?: number
  /** The most events that are sent again on a resume, as careful servers do. Default: 0. */
  readonly replay?: number
}

export interface FaultServer extends TestServer {
  readonly seed: number
  /** What was done to each connection, in order: `chunked, in an event, RST, after 61`. */
  readonly faults: readonly string[]
  /** The resume point that each request named, in order; 0 for none. */
  readonly requests: readonly number[]
  /** The event that has this number. */
  event(number: number): ServerSentEvent
}

/** Every fault there is: framing, place, ending. */
export const FAULTS: readonly string[] = [
  ...rows(['none'], ['before headers'], ['FIN', 'RST', 'stall', 'garbage']),
  ...rows(['close', 'chunked', 'length'], ['in headers'], ['FIN', 'RST', 'stall']),
  // A body that its connection delimits ends well with a FIN, and nothing in it can be garbled.
  ...rows(['close'], ['between', 'in an event', 'in a character'], ['FIN', 'RST', 'stall']),
  ...rows(['chunked'], ['between', 'in an event', 'in a character'], ENDINGS),
  ...rows(
    ['length'],
    ['between', 'in an event', 'in a character'],
    ENDINGS.filter((ending) => ending !== 'garbage'),
  ),
]
const STALLS = FAULTS.filter((fault) => fault.endsWith('stall'))
const CUTS = FAULTS.filter((fault) => !fault.endsWith('stall'))

/** The types of its events. */
export const TYPES: readonly string[] = ['message', 'tick', 'größe']
const TEXTS = [
  'plain',
  'naïve — “quoted”',
  '日本語のテキスト',
  '👩‍🚀 and 𝄞',
  '',
  '  two\n\nlines: ',
]

/** The event that has this number in every fault server's stream. */
export function numbered(number: number): ServerSentEvent {
  const type = TYPES[number % TYPES.length] as string
  const text = TEXTS[number % TEXTS.length] as string
  // An ID beyond ASCII: it must come back as the UTF-8 that it is.
  return { type, data: `${number}\n${text}é`, lastEventId: `${number}/é☃` }
}

/**
 * A server on loopback with a stream of numbered events, which resumes after `Last-Event-ID` and
 * cuts its connections at places that the seed chooses. The same seed and the same requests give
 * the same faults.
 */
export async function serveFaults(options: FaultOptions): Promise<FaultServer> {
  const { seed, events, between = 120, stalls = 0.03, replay = 0 } = options
  const random = new Random(seed)
  const faults: string[] = []
  const requests: number[] = []

  const decks = new Map<readonly string[], string[]>()
  // Drawn without putting back, so that every fault has its turn.
  const draw = (from: readonly string[]): string => {
    const deck = decks.get(from) ?? []
    if (deck.length === 0) deck.push(...from)
    decks.set(from, deck)
    return deck.splice(random.integer(0, deck.length - 1), 1)[0] as string
  }

  const wire = (number: number, eol: string): string => {
    const { type, data, lastEventId } = numbered(number)
    const lines = data.split('\n').map((line) => `data: ${line}`)
    if (type !== 'message') lines.push(`event: ${type}`)
    lines.splice(random.integer(0, lines.length), 0, `id: ${lastEventId}`)
    if (random.chance(0.05)) lines.push(': still here')
    return lines.join(eol) + eol + eol
  }

  const respond = (socket: Socket, resumed: number): void => {
    const first = Math.max(1, resumed + 1 - (resumed > 0 ? random.integer(0, replay) : 0))
    const last = Math.min(events, first - 1 + random.integer(0, 2 * between))
    const fault = draw(random.chance(stalls) ? STALLS : CUTS)
    const [framing, place, ending] = fault.split(', ') as [Framing, Place, Ending]
    const headers = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n`

    if (last === events) {
      // The rest, and nothing after it.
      const eol = random.pick(['\n', '\r\n', '\r'])
      let body = ''
      for (let number = first; number <= last; number++) body += wire(number, eol)
      socket.write(`${headers}\r\n${body}`)
      return
    }

    faults.push(`${fault}, after ${last}`)
    if (place === 'before headers') {
      end(socket, Buffer.from(ending === 'garbage' ? '\0\x01 no HTTP\r\n\r\n' : ''), ending)
      return
    }
    const eol = random.pick(['\n', '\r\n', '\r'])
    let text = ''
    for (let number = first; number <= last; number++) text += wire(number, eol)
    let body = Buffer.from(text)
    if (place === 'in an event' || place === 'in a character') {
      const next = Buffer.from(wire(last + 1, eol))
      let cut = random.integer(1, next.length - 1)
      // Back to a byte that goes on with the character begun before it; each event has some.
      if (place === 'in a character') {
        while (((next[cut] as number) & 0xc0) !== 0x80) cut = (cut + 1) % next.length
      }
      body = Buffer.concat([body, next.subarray(0, cut)])
    }
    const whole = ending === 'end'
    let delimited: Buffer = body
    let more = ''
    if (framing === 'chunked') {
      more = 'transfer-encoding: chunked\r\n'
      delimited = chunked(body, random, whole, ending !== 'garbage' && random.chance(0.5))
    } else if (framing === 'length') {
      more = `content-length: ${body.length + (whole ? 0 : random.integer(1, 10_000))}\r\n`
    }
    const head = Buffer.from(`${headers}${more}\r\n`)
    if (place === 'in headers') {
      end(socket, head.subarray(0, random.integer(1, head.length - 1)), ending)
      return
    }
    if (ending === 'garbage') delimited = Buffer.concat([delimited, Buffer.from('no size\r\n')])
    end(socket, Buffer.concat([head, delimited]), ending)
  }

  const server = await serveRaw((socket) => {
    let received = ''
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      const head = received.indexOf('\r\n\r\n')
      if (head < 0) return
      const length = Number(/\ncontent-length: *(\d+)/i.exec(received)?.[1] ?? 0)
      if (received.length < head + 4 + length) return
      const id = /\nlast-event-id: *([^\r]*)/i.exec(received)?.[1] ?? ''
      received = received.slice(head + 4 + length)
      const resumed = id === '' ? 0 : Number.parseInt(id, 10)
      if (id !== '' && Buffer.from(id, 'latin1').toString() !== numbered(resumed).lastEventId) {
        throw new Error(`Expected an ID of the stream in Last-Event-ID, got ${JSON.stringify(id)}`)
      }
      requests.push(resumed)
      respond(socket, resumed)
    })
  })
  return { ...server, seed, faults, requests, event: numbered }
}

/** The body as chunks of random sizes; unless `whole`, the last one may be left unfinished. */
function chunked(body: Buffer, random: Random, whole: boolean, unfinished: boolean): Buffer {
  const parts: Buffer[] = []
  for (let start = 0; start < body.length; ) {
    const size = Math.min(body.length - start, random.integer(1, 4096))
    const cut = !whole && unfinished && start + size === body.length
    const declared = cut ? size + random.integer(1, 100) : size
    parts.push(Buffer.from(`${declared.toString(16)}\r\n`), body.subarray(start, start + size))
    if (!cut) parts.push(Buffer.from('\r\n'))
    start += size
  }
  if (whole) parts.push(Buffer.from('0\r\n\r\n'))
  return Buffer.concat(parts)
}

function end(socket: Socket, bytes: Buffer, ending: Ending): void {
  if (ending === 'FIN') socket.end(bytes)
  else if (ending === 'RST') {
    if (bytes.length === 0) socket.resetAndDestroy()
    else socket.write(bytes, () => socket.resetAndDestroy())
  } else socket.write(bytes)
}

function rows(
  framings: readonly Framing[],
  places: readonly Place[],
  endings: readonly Ending[],
): string[] {
  return framings.flatMap((framing) =>
    places.flatMap((place) => endings.map((ending) => `${framing}, ${place}, ${ending}`)),
  )
}
