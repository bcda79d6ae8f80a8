import fc from 'fast-check'
import { EventStreamDecoder } from '../../src/parser/decoder'
import type { ServerSentEvent } from '../../src/parser/event'
import { readEvents } from '../../src/parser/read'
import { tell, theirs } from '../support/parsers'
import { interpret } from './reference'

const encoder = new TextEncoder()

// What means something to the grammar, whole and in part, and what means nothing.
const token = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('\n', '\r', '\r\n', '\n\n', '\r\r', '\r\n\r\n') },
  {
    weight: 4,
    arbitrary: fc.constantFrom('data', 'event', 'id', 'retry', 'data:', 'data: ', 'id: ', 'dat'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(':', ': ', ' ', '\0', '\ufeff', 'a', '1', '23', '☃', '😀'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
)
const part = fc.oneof(
  { weight: 8, arbitrary: token.map((text) => [...encoder.encode(text)]) },
  { weight: 1, arbitrary: fc.array(fc.integer({ min: 0x80, max: 0xff }), { maxLength: 3 }) },
)
// Lines that nearly all mean something, among the noise.
const line = fc
  .tuple(
    fc.constantFrom('data', 'data', 'event', 'id', 'retry', '', 'dat', 'x'),
    fc.constantFrom(':', ': ', ':  ', ''),
    fc.constantFrom('', 'a', '1', '0', '25', '1x', '\0', 'a\0', '☃', '😀', ':', ' ', '\ufeff'),
    fc.constantFrom('\n', '\r', '\r\n', '\n\n', '\r\r', '\r\n\r\n', '\n\r'),
  )
  .map((parts) => [...encoder.encode(parts.join(''))])
const wire = fc
  .array(fc.oneof({ weight: 2, arbitrary: line }, { weight: 1, arbitrary: part }), {
    maxLength: 24,
  })
  .map((parts) => Uint8Array.from(parts.flat()))
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 })

function cut(bytes: Uint8Array, shares: readonly number[]): Uint8Array[] {
  const places = shares.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b)
  return [...places, bytes.length].map((place, index) => bytes.subarray(places[index - 1], place))
}

async function decoded(chunks: readonly Uint8Array[]): Promise<ServerSentEvent[]> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
  const events: ServerSentEvent[] = []
  const reader = source.pipeThrough(new EventStreamDecoder()).getReader()
  for (let result = await reader.read(); !result.done; result = await reader.read()) {
    events.push(result.value)
  }
  return events
}

async function iterated(chunks: readonly Uint8Array[]): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  for await (const event of readEvents(chunks)) events.push(event)
  return events
}

/** Any bytes, in any chunks, come to what the standard says; so they do by another's parser. */
export const parser = {
  name: 'parser',
  arbitrary: fc.tuple(wire, cuts, fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined })),
  async check([bytes, shares, max]: [Uint8Array, number[], number | undefined]): Promise<void> {
    const { events, lastEventId, reconnectionTime } = interpret(bytes)
    const chunks = cut(bytes, shares)
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    same('the standard, by the decoder', await decoded(chunks), events)
    same('the standard, by readEvents', await iterated(chunks), events)
    // It takes the characters of a BOM's bytes for a BOM.
    if (!text.startsWith('\u00ef\u00bb\u00bf')) {
      same('eventsource-parser', { events, lastEventId, reconnectionTime }, theirs([text]))
    }
    const ways = {
      'in one chunk': [bytes],
      'in chunks': chunks,
      'byte by byte': [...bytes].map((byte) => Uint8Array.of(byte)),
      'as text': [text],
      'letter by letter': text.split(''),
    }
    for (const deliver of [false, true]) {
      const expected = interpret(bytes, { max, deliver })
      for (const [way, chunks] of Object.entries(ways)) {
        for (const ask of ['each', 'last'] as const) {
          for (const throwing of [false, true]) {
            const { buffered, ...got } = tell(chunks, { max, deliver }, ask, throwing)
            same(`the standard, ${way}${deliver ? ', to its end' : ''}`, got, expected)
            if (deliver) same('the end', buffered, 0)
          }
        }
      }
    }
  },
  /** A row for `test/corpus.ts`, with what the standard says. */
  report([bytes]: [Uint8Array, number[], number | undefined]): string {
    const { events, lastEventId, reconnectionTime } = interpret(bytes)
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    const exact = encoder.encode(text).join() === bytes.join()
    const wire = exact
      ? JSON.stringify(text).replaceAll('\ufeff', '\\ufeff')
      : `bytes(${bytes.join(', ')})`
    const list = events.map(
      ({ type, data, lastEventId }) =>
        `event(${[data, type, lastEventId].map((value) => JSON.stringify(value)).join(', ')})`,
    )
    const expected = `{ events: [${list.join(', ')}], lastEventId: ${JSON.stringify(lastEventId)}, reconnectionTime: ${reconnectionTime} }`
    return `  ['found by fuzzing', ${wire}, ${expected}, INTERPRETATION],`
  },
}

export function same(what: string, got: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)]
  if (left !== right) throw new Error(`Expected, by ${what}, ${right}, got ${left}`)
}
