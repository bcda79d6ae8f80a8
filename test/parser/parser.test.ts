import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SseError } from '../../src/errors'
import type { ServerSentEvent } from '../../src/parser/event'
import {
  type EventStreamBlock,
  EventStreamParser,
  type EventStreamParserOptions,
} from '../../src/parser/parser'
import { corpus } from '../corpus'
import { interpret } from '../fuzz/reference'
import { read, tell } from '../support/parsers'

type Chunk = Uint8Array | string

const encoder = new TextEncoder()
const encode = (text: string) => encoder.encode(text)
/** Text as the parser sees it, its BOM included. */
const decode = (wire: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(wire)

/** All events that there are now. */
function drain<E>(parser: EventStreamParser<E>): E[] {
  const events: E[] = []
  for (let event = parser.next(); event !== undefined; event = parser.next()) events.push(event)
  return events
}

/** Cuts bytes or text at some places. */
function cut<C extends Chunk>(wire: C, places: readonly number[]): C[] {
  return [...places, wire.length].map((place, index) =>
    wire.slice(places[index - 1] ?? 0, place),
  ) as C[]
}

/** Chunks of one size; the last may be smaller. */
function inChunks<C extends Chunk>(wire: C, size: number): C[] {
  const places = Array.from({ length: Math.ceil(wire.length / size) - 1 }, (_, i) => (i + 1) * size)
  return cut(wire, places)
}

/** Every chunking that is tried: whole, one by one, each split and, of short wires, each two. */
function* chunkings(wire: Chunk): Generator<Chunk[]> {
  yield [wire]
  yield inChunks(wire, 1)
  for (let first = 0; first <= wire.length; first++) {
    yield cut(wire, [first])
    if (wire.length > 64) continue
    for (let second = first; second <= wire.length; second++) yield cut(wire, [first, second])
  }
}

/** Chunkings of a wire, as bytes and as text, that come to anything but `expected`: three at most. */
function departures(
  wire: Uint8Array,
  expected: unknown,
  options?: EventStreamParserOptions,
): unknown[] {
  const found: unknown[] = []
  const key = (outcome: unknown) =>
    JSON.stringify(outcome, (_, value) => (typeof value === 'object' ? value : `${value}`))
  const wanted = key(expected)
  for (const form of [wire, decode(wire)]) {
    for (const chunks of chunkings(form)) {
      for (const ask of ['each', 'last'] as const) {
        const { error, ...outcome } = read(chunks, options, ask)
        const got = { ...outcome, error: error instanceof SseError ? error.code : error }
        if (key(got) !== wanted && found.length < 3) found.push({ chunks, ask, got })
      }
    }
  }
  return found
}

describe('the corpus', () => {
  test('names each row once', () => {
    const names = corpus.map(([name]) => name)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })

  test.each(corpus)('%s', (_, wire, expected) => {
    expect(read([wire])).toEqual({ ...expected, error: undefined })
    const { events, lastEventId, reconnectionTime } = expected
    const wanted = { events, lastEventId, reconnectionTime, error: undefined }
    expect(departures(wire, wanted)).toEqual([])
  })
})

describe('what comes when', () => {
  /** What each chunk leads to, in order; a bar ends a chunk. */
  function story(...chunks: Chunk[]): string {
    const told: string[] = []
    const parser = new EventStreamParser({
      lastEventId: '0',
      onComment: (text) => told.push(`comment:${text}`),
      onRetry: (milliseconds) => told.push(`retry:${milliseconds}`),
      onIgnored: (line) => told.push(`ignored:${line}`),
    })
    for (const chunk of chunks) {
      const before = parser.lastEventId
      parser.feed(chunk)
      for (let event = parser.next(); event; event = parser.next()) told.push(`event:${event.data}`)
      if (parser.lastEventId !== before) told.push(`id:${parser.lastEventId}`)
      told.push('|')
    }
    return told.join(' ')
  }

  test('a CR ends the line at once, without waiting for its LF', () => {
    expect(story('data: a\r', '\r', '\n', 'data: b\r\n\r', '\ndata: c\n', '\r')).toBe(
      '| event:a | | event:b | | event:c |',
    )
  })

  test('an event comes with the chunk that ends its blank line', () => {
    expect(story('data: a', '\n', '\ndata: b\n\ndata: c\n\nda', 'ta: d\n', '\n')).toBe(
      '| | event:a event:b event:c | | event:d |',
    )
  })

  test('a retry counts when its line ends, an id when its block ends', () => {
    expect(story('retry: 5', '\n', 'id: 1', '\n', 'data: a\n', '\n')).toBe(
      '| retry:5 | | | | event:a id:1 |',
    )
  })

  test('a comment is told when its line ends, at its place between the events', () => {
    expect(story('data: a\n: h', 'i', '\ndata: b\n', '\n: cut off')).toBe(
      '| | comment:hi | event:a\nb |',
    )
    expect(story('data: first\n\n: note\ndata: second\n\n')).toBe(
      'event:first comment:note event:second |',
    )
  })

  test('so are a retry and a line that is ignored', () => {
    expect(story('data: a\n\nretry: 1\nretry: x\ndatum: 1\ndata: b\n\n')).toBe(
      'event:a retry:1 ignored:retry: x ignored:datum: 1 event:b |',
    )
  })

  test('nothing is parsed before it is asked for, and nothing of it is lost', () => {
    const comments: string[] = []
    const parser = new EventStreamParser({ onComment: (text) => comments.push(text) })
    parser.feed('data: a\n\n: hi\nda')
    parser.feed(encode('ta: b\n'))
    parser.feed('\ndata: c\n\n')
    expect(comments).toEqual([])
    expect(parser.next()?.data).toBe('a')
    expect(comments).toEqual([])
    parser.feed('data: d\n\n')
    expect(drain(parser).map(({ data }) => data)).toEqual(['b', 'c', 'd'])
    expect(comments).toEqual(['hi'])
  })

  test('a callback may feed what comes next', () => {
    const parser: EventStreamParser = new EventStreamParser({
      onComment: (text) => text && parser.feed(`data: ${text}\n\n:\n`),
    })
    parser.feed(': a\n')
    expect(parser.next()?.data).toBe('a')
    parser.feed(': b\ndata: c\n\n')
    expect(drain(parser).map(({ data }) => data)).toEqual(['c', 'b'])
  })

  test('bytes are read when they are fed: their buffer may be used again', () => {
    for (const size of [40, 100]) {
      const parser = new EventStreamParser()
      const chunk = encode(`data: ${'a'.repeat(size)}\n\ndata: b`)
      parser.feed(chunk)
      chunk.fill(0)
      parser.feed('\n\n')
      expect(drain(parser).map(({ data }) => data)).toEqual(['a'.repeat(size), 'b'])
    }
  })

  test('empty chunks anywhere change nothing', () => {
    const wire = encode('\uFEFFid: \u2026\r\ndata: \u{1F600}\r\r\ndata: b\n\n')
    const bytes = inChunks(wire, 1).flatMap((chunk) => [new Uint8Array(0), chunk, ''])
    const text = [...decode(wire)].flatMap((chunk) => ['', chunk, new Uint8Array(0)])
    const { error, ...expected } = read([wire])
    expect(expected.events).toHaveLength(2)
    expect(read(bytes)).toEqual({ ...expected, error })
    expect(read(text)).toEqual({ ...expected, error })
  })
})

describe('chunks', () => {
  const wire = encode(`: ${'.'.repeat(99)}\ndata: \u2026\n\n`)
  const padded = encode(`??${decode(wire)}??`).buffer

  test.each<[string, unknown]>([
    ['a Uint8Array', wire],
    ['part of a larger buffer', new Uint8Array(padded, 2, wire.length)],
    ['an ArrayBuffer', wire.slice().buffer],
    ['a DataView', new DataView(padded, 2, wire.length)],
    ['a Buffer', Buffer.from(wire)],
    ['an Int8Array', new Int8Array(padded, 2, wire.length)],
    ['bytes of another realm', runInNewContext(`new Uint8Array([${wire}])`)],
    ['a buffer of another realm', runInNewContext(`new Uint8Array([${wire}]).buffer`)],
    ['text', decode(wire)],
  ])('may be %s', (_, chunk) => {
    expect(read([chunk as Chunk]).events.map(({ data }) => data)).toEqual(['\u2026'])
  })

  test.each([undefined, null, 5, {}, [100, 97], new String('data: a')])(
    '%j is refused',
    (chunk) => {
      const feed = () => new EventStreamParser().feed(chunk as unknown as string)
      expect(feed).toThrow(TypeError)
      expect(feed).toThrow('Expected a chunk of text or bytes, got')
    },
  )
})

describe('the place in the stream', () => {
  test('the last event ID is carried over from the options until the stream names another', () => {
    const parser = new EventStreamParser({ lastEventId: '7' })
    parser.feed('data: a\n\nid: 8\ndata: b\n\nid\ndata: c\n\n')
    expect(drain(parser).map(({ data, lastEventId }) => `${data}:${lastEventId}`)).toEqual([
      'a:7',
      'b:8',
      'c:',
    ])
  })

  test('the last event ID is empty and the reconnection time unknown before anything is read', () => {
    const { lastEventId, reconnectionTime } = new EventStreamParser()
    expect({ lastEventId, reconnectionTime }).toEqual({
      lastEventId: '',
      reconnectionTime: undefined,
    })
  })

  test('the last event ID moves with the events that are asked for', () => {
    const parser = new EventStreamParser()
    parser.feed('id: 1\ndata: a\n\nid: 2\ndata: b\n\n')
    expect(parser.lastEventId).toBe('')
    parser.next()
    expect(parser.lastEventId).toBe('1')
    parser.next()
    expect(parser.lastEventId).toBe('2')
  })

  test('a last event ID that is set is what the following events carry', () => {
    const parser = new EventStreamParser()
    parser.feed('id: 1\ndata: a\n\ndata: b\n\nid: 3\ndata: c\n\nda')
    expect(parser.next()?.lastEventId).toBe('1')
    parser.lastEventId = 'mine'
    expect(parser.next()?.lastEventId).toBe('mine')
    expect(parser.next()?.lastEventId).toBe('3')
    expect(parser.next()).toBe(undefined)
    parser.lastEventId = ''
    parser.feed('ta: d\n\n')
    expect(parser.next()?.lastEventId).toBe('')
  })

  test('the own id of each event is known with it', () => {
    const parser = new EventStreamParser({ lastEventId: '0' })
    parser.feed(
      'data: a\n\nid: 1\ndata: b\n\ndata: c\n\nid: 2\n\nid: \0\ndata: d\n\nid:\ndata: e\n\n',
    )
    const own: unknown[] = []
    for (let event = parser.next(); event; event = parser.next()) own.push([event.data, parser._id])
    expect(own).toEqual([
      ['a', undefined],
      ['b', '1'],
      ['c', undefined],
      ['d', undefined],
      ['e', ''],
    ])
  })
})

describe('comments', () => {
  test.each([
    [':', ''],
    [':a', 'a'],
    [': a', 'a'],
    [':  a ', ' a '],
    [':\ta', '\ta'],
    [':: a:b', ': a:b'],
    [':data: a', 'data: a'],
    [':\u{1F600}\0', '\u{1F600}\0'],
  ])('the comment %j has the text %j', (line, text) => {
    const texts: string[] = []
    for (const chunks of chunkings(encode(`${line}\r\n`))) {
      texts.push('|')
      read(chunks, { onComment: (comment) => texts.push(comment) })
    }
    expect(new Set(texts)).toEqual(new Set(['|', text]))
    expect(texts.filter((told) => told === text)).toHaveLength(texts.length / 2)
  })
})

describe('what is ignored', () => {
  function ignored(chunks: readonly Chunk[]): string[] {
    const lines: string[] = []
    read(chunks, { onIgnored: (line) => lines.push(line) })
    return lines
  }

  test.each([
    'x',
    'x: 1',
    'datum: 1',
    'dat',
    'dataset: 1',
    'Data: 1',
    ' data: 1',
    'eventual: 1',
    'ids: 1',
    'retry',
    'retry: 1x',
    '{"error": "no"}',
    '\u4F60',
  ])('the line %j is told', (line) => {
    for (const chunks of chunkings(encode(`${line}\r\n`))) expect(ignored(chunks)).toEqual([line])
  })

  test.each(['data', 'data: a', 'event', 'event: a', 'id', 'id: a\0b', 'retry: 1', ': a', ''])(
    'the line %j is not',
    (line) => {
      for (const chunks of chunkings(encode(`${line}\n`))) expect(ignored(chunks)).toEqual([])
    },
  )

  test('a line without its end is not', () => {
    expect(ignored(['x\nx: 1'])).toEqual(['x'])
  })

  test('a long line is told up to 4,096 units, in any chunks', () => {
    const line = 'x'.repeat(10_000)
    for (const size of [10_001, 3000, 100, 4095, 4096, 4097]) {
      expect(ignored(inChunks(`${line}\n`, size))).toEqual([line.slice(0, 4096)])
    }
  })

  test('a retry of more than 999 digits is ignored, in any chunks', () => {
    for (const [digits, time] of [
      [999, Number.POSITIVE_INFINITY],
      [1000, undefined],
      [10_000, undefined],
    ] as const) {
      const wire = `retry:${'9'.repeat(digits)}\n`
      for (const size of [20_000, 4097, 4096, 4000, 999, 7]) {
        expect(read(inChunks(wire, size)).reconnectionTime).toBe(time)
      }
    }
  })
})

describe('what throws', () => {
  test('in a callback loses nothing: the next call goes on after it', () => {
    const wire = encode(
      'id: 1\n: a\nevent: x\n: b\ndata: 1\nretry: 5\nx\ndata: 2\n\n: c\nretry: 6\n\ndata: 3\n\n',
    )
    const expected = interpret(wire)
    expect(expected.told).toHaveLength(8)
    for (const form of [wire, decode(wire)]) {
      for (const chunks of chunkings(form)) {
        const { buffered, ...got } = tell(chunks, {}, 'each', true)
        expect(got).toEqual(expected)
      }
    }
  })

  test('in block takes that block alone with it, and leaks nothing into the next', () => {
    const parser = new EventStreamParser({
      block({ data, id, event, lastEventId }) {
        if (data === 'b') throw new Error('from block')
        return { data, id, event, lastEventId }
      },
    })
    parser.feed('id: 1\ndata: a\n\nid: 2\nevent: x\ndata: b\n\ndata: c\n\n')
    expect(parser.next()).toEqual({ data: 'a', id: '1', event: undefined, lastEventId: '1' })
    expect(() => parser.next()).toThrow('from block')
    // The block has ended, with its ID.
    expect(parser.lastEventId).toBe('2')
    expect(parser.next()).toEqual({ data: 'c', id: undefined, event: undefined, lastEventId: '2' })
  })
})

describe('block', () => {
  test('sees what each block with a field said itself, and leaves it out or not', () => {
    const blocks: EventStreamBlock[] = []
    const parser = new EventStreamParser({
      lastEventId: '7',
      block: (block) => {
        blocks.push(block)
        return block.data === 'drop' || block.event === 'drop' ? undefined : blocks.length
      },
    })
    parser.feed(
      'data: a\nid: 1\nevent: x\nretry: 5\n\ndata\n\nid\n\n\nretry: x\nid: \0\n:\nx\n\nevent: drop\ndata\n\ndata: drop\n\nevent\n\nevent: y\n\nretry: 3\n\n',
    )
    expect(drain(parser)).toEqual([1, 2, 3, 4, 7, 8, 9])
    const none = { event: undefined, data: undefined, id: undefined, retry: undefined }
    expect(blocks).toEqual([
      { event: 'x', data: 'a', id: '1', retry: 5, lastEventId: '1' },
      { ...none, data: '', lastEventId: '1' },
      { ...none, id: '', lastEventId: '' },
      // An id with NUL is as good as none.
      { ...none, lastEventId: '' },
      { ...none, event: 'drop', data: '', lastEventId: '' },
      { ...none, data: 'drop', lastEventId: '' },
      { ...none, lastEventId: '' },
      { ...none, event: 'y', lastEventId: '' },
      { ...none, retry: 3, lastEventId: '' },
    ])
  })

  test('may make anything but undefined', () => {
    const parser = new EventStreamParser({ block: ({ data }) => (data === '0' ? 0 : null) })
    parser.feed('data: 0\n\ndata: 1\n\n')
    expect(parser.next()).toBe(0)
    expect(parser.next()).toBe(null)
    expect(parser.next()).toBe(undefined)
  })
})

describe('the end of the input', () => {
  /** The event of an unfinished block, and how the input ended; the same in any chunks. */
  function ending(wire: string, incomplete?: 'drop' | 'deliver') {
    const found = new Set<string>()
    let result: unknown
    for (const form of [encode(wire), wire]) {
      for (const chunks of chunkings(form)) {
        const parser = new EventStreamParser({ lastEventId: '0', incomplete })
        for (const chunk of chunks) {
          parser.feed(chunk)
          drain(parser)
        }
        parser.end()
        const events = drain(parser)
        const id = events.length > 0 ? parser._id : undefined
        const { _unfinished: unfinished, _lineEnded: lineEnded, lastEventId } = parser
        result = { events, id, unfinished, lineEnded, lastEventId }
        found.add(JSON.stringify(result))
        expect(parser.next()).toBe(undefined)
      }
    }
    expect(found.size).toBe(1)
    return result
  }
  const event = (data: string, type = 'message', lastEventId = '0') => ({ type, data, lastEventId })
  const clean = { events: [], id: undefined, unfinished: false, lineEnded: true, lastEventId: '0' }
  const cut = { ...clean, unfinished: true, lineEnded: false }

  test.each<[string, object]>([
    ['', clean],
    ['data: a\n\n', clean],
    ['data: a\n\n: hi\n', clean],
    ['data: a\n\n\n', clean],
    ['data: a\n\n: h', { ...clean, lineEnded: false }],
    ['data: a\n\nd', cut],
    ['data: a\n\nx', cut],
    ['data: a\n\nx\n', { ...cut, lineEnded: true }],
    ['data: a\n\nx\n\n', clean],
    ['data: a\n\nretry: x\n', { ...cut, lineEnded: true }],
    ['retry: 5\n', { ...cut, lineEnded: true }],
    ['retry: 5', cut],
    ['id: 1', cut],
    ['id: 1\n', { ...cut, lineEnded: true }],
    ['id: 1\n: hi', cut],
    ['{"error":\n"no"}', cut],
  ])('without an event in it is the same for both: %j', (wire, expected) => {
    expect(ending(wire)).toEqual(expected)
    expect(ending(wire, 'deliver')).toEqual(expected)
  })

  test.each<[string, ServerSentEvent, boolean]>([
    ['data: a\n', event('a'), true],
    ['data: a', event('a'), false],
    ['data', event(''), false],
    ['data: a\nda', event('a'), false],
    ['data: a\ndatum', event('a'), false],
    ['data: a\ndata', event('a\n'), false],
    ['data: a\ndata: b', event('a\nb'), false],
    ['event: x\ndata: a\n', event('a', 'x'), true],
    ['data: a\nevent: x', event('a', 'x'), false],
    ['data: a\nevent: x\nevent', event('a'), false],
    ['id: 1\ndata: a\n', event('a'), true],
    ['data: a\nid: 1', event('a'), false],
    ['data: a\n: hi\n', event('a'), true],
    ['data: a\n: h', event('a'), false],
    ['data: a\nx: b\n', event('a'), true],
    ['data: a\r', event('a'), true],
    ['data: \u{1F600}', event('\u{1F600}'), false],
  ])('delivers the event of an unfinished block, if asked: %j', (wire, event, lineEnded) => {
    expect(ending(wire)).toEqual({ ...cut, lineEnded })
    expect(ending(wire, 'deliver')).toEqual({ ...cut, events: [event], lineEnded })
  })

  test('an unfinished id moves nothing: the event before it is the place', () => {
    expect(ending('id: 1\ndata: a\n\nid: 2\ndata: b\n', 'deliver')).toEqual({
      ...cut,
      events: [event('b', 'message', '1')],
      lineEnded: true,
      lastEventId: '1',
    })
  })

  test('a character that is cut comes as a replacement character', () => {
    const parser = new EventStreamParser({ incomplete: 'deliver' })
    parser.feed(Uint8Array.from([...encode('data: a'), 0xf0, 0x9f]))
    parser.end()
    expect(drain(parser)).toEqual([{ type: 'message', data: 'a\uFFFD', lastEventId: '' }])
  })

  test('what has been fed before it comes before it', () => {
    const parser = new EventStreamParser({ incomplete: 'deliver' })
    parser.feed('data: a\n\ndata: b\n\ndata: ')
    parser.feed(encode('c'))
    parser.end()
    expect(drain(parser).map(({ data }) => data)).toEqual(['a', 'b', 'c'])
  })

  test('an unfinished retry or comment is not told, nor an unfinished line that is unknown', () => {
    const wire = encode('data: a\n: b\nretry: 1\nx\n')
    for (const end of ['retry: 2', ': c', 'y', 'datum']) {
      const told = tell([wire, encode(end)], { deliver: true }).told.map((part) => part[0])
      expect(told).toEqual(['comment', 'retry', 'ignored', 'event'])
    }
  })

  test('block is asked about an unfinished block, without its id', () => {
    const block = ({ data, event, id, retry }: EventStreamBlock) => ({ data, event, id, retry })
    const parser = new EventStreamParser({ incomplete: 'deliver', block })
    parser.feed('id: 1\nretry: 5\nevent: x\n')
    parser.end()
    expect(drain(parser)).toEqual([{ data: undefined, event: 'x', id: undefined, retry: 5 }])
  })
})

describe('the text since the last event', () => {
  function excerpt(chunks: readonly Chunk[]): string {
    const parser = new EventStreamParser({ incomplete: 'deliver' })
    for (const chunk of chunks) {
      parser.feed(chunk)
      drain(parser)
    }
    parser.end()
    drain(parser)
    return parser._excerpt
  }

  test.each([
    ['', ''],
    ['data: a\n\n', ''],
    ['data: a\n\ndata: b', 'data: b'],
    ['data: a\n\n\n\ndata: b\n', 'data: b\n'],
    ['data: a\n\n{"error": {\r\n  "code": 5\r\n}}', '{"error": {\r\n  "code": 5\r\n}}'],
    ['upstream timed out\n\nsorry', 'upstream timed out\n\nsorry'],
    ['id: 5\n\nevent: x\n\nno', 'id: 5\n\nevent: x\n\nno'],
    ['data: a\n\n: ping\n\n: ping\n\nno', 'no'],
    ['data: a\n\n: ping\nno', ': ping\nno'],
    ['event: x\ndata: a\r\n\r\nno', 'no'],
    ['event: x\rdata: a\r\rno', 'no'],
    ['\uFEFFno', 'no'],
  ])('is what an error shows: of %j it is %j', (wire, expected) => {
    const found = new Set<string>()
    for (const form of [encode(wire), wire]) {
      for (const chunks of chunkings(form)) found.add(excerpt(chunks))
    }
    expect([...found]).toEqual([expected])
  })

  test('is 4,096 units of it at most, in any chunks', () => {
    const error = `{"message":"${'no '.repeat(5000)}"}`
    for (const size of [1, 100, 4095, 4096, 5000, 20_000]) {
      expect(excerpt(inChunks(`data: a\n\n${error}`, size))).toBe(error.slice(0, 4096))
      expect(excerpt(inChunks(encode(`data: a\n\n${error}`), size))).toBe(error.slice(0, 4096))
    }
  })

  test('is what has been read, not what was fed', () => {
    const parser = new EventStreamParser({ maxEventSize: 2 })
    parser.feed('data: a\n\nx: 1\ndata: 123\ndata: b')
    expect(drain.bind(undefined, parser)).toThrow(SseError)
    expect(parser._excerpt).toBe('x: 1\ndata: 123\ndata: b')
  })
})

describe('buffered', () => {
  test('is what is held', () => {
    const parser = new EventStreamParser()
    const held = (chunk?: Chunk) => {
      if (chunk !== undefined) parser.feed(chunk)
      return parser.buffered
    }
    expect(held()).toBe(0)
    expect(held('data: a\n\nid: 12\nda')).toBe(18)
    expect(parser.next()?.data).toBe('a')
    expect(held()).toBe(9)
    expect(parser.next()).toBe(undefined)
    expect(held()).toBe(4)
    expect(held(encode('ta'))).toBe(6)
    expect(parser.next()).toBe(undefined)
    expect(held(encode(': 345\nevent: 6\n'))).toBe(21)
    expect(parser.next()).toBe(undefined)
    expect(held()).toBe(6)
    expect(held('\n')).toBe(7)
    expect(parser.next()).toEqual({ type: '6', data: '345', lastEventId: '12' })
    expect(held()).toBe(0)
  })
})

describe('maxEventSize', () => {
  // What still fits, what does not. Each wire follows a good event, which must come either way.
  test.each([
    ['data alone, not its field name', 5, 'data: 12345\n\n', 'data: 123456\n\n'],
    ['data whose line has not ended', 5, 'data: 12345', 'data:123456'],
    [
      'characters that take two units',
      6,
      'data: \u{1F600}ab\u{1F600}\n\n',
      'data: \u{1F600}\u{1F600}\u{1F600}a\n\n',
    ],
    [
      'characters of several bytes',
      5,
      'data:\u00E9\u4F60\u00E9\u4F60\u00E9\n\n',
      'data:\u4F60\u4F60\u4F60\u4F60\u4F60\u4F60\n\n',
    ],
    ['lines with their LFs', 8, 'data:1234\ndata:123\n\n', 'data:1234\ndata:1234\n\n'],
    ['empty lines', 8, `${'data\n'.repeat(9)}\n`, `${'data\n'.repeat(10)}\n`],
    ['lines of which the last has not ended', 8, 'data:1234\ndata:123', 'data:1234\ndata:1234'],
    ['a type beside data', 9, 'event:1234\ndata:12345\n', 'event:1234\ndata:123456\n'],
    ['a type after data', 9, 'data:12345\nevent:1234\n', 'data:12345\nevent:12345\n'],
    ['a type alone', 4, 'event:1234\n', 'event:12345\n'],
    [
      'a type that replaces another',
      4,
      'event:1234\nevent:12\ndata:12\n\n',
      'event:1\nevent:12345\n',
    ],
    ['an id beside data', 9, 'id:1234\ndata:12345\n', 'id:1234\ndata:123456\n'],
    ['an id that replaces another', 4, 'id:1234\nid:12\ndata:12\n\n', 'id:1\nid:12345\n'],
    ['an id that does not count', 4, 'id:123\0\ndata:1234\n\n', 'id:1234\0\n'],
    ['a comment that is heard', 5, ': 12345\n', ': 123456\n'],
    ['a comment that has not ended', 5, ': 12345', ': 123456'],
    ['a comment by itself', 5, 'data: 12345\n: 12345\n\n', 'data: 12\n:123456\n'],
  ])('bounds %s', (_, maxEventSize, fits, exceeds) => {
    const options = { maxEventSize, onComment: () => {} }
    const good = encode(`data:a\n\n${fits}`)
    const { error, ...expected } = read([good], options)
    expect(error).toBe(undefined)
    expect(departures(good, { ...expected, error }, options)).toEqual([])

    const events = [{ type: 'message', data: 'a', lastEventId: '' }]
    const tooLarge = { events, lastEventId: '', reconnectionTime: undefined, error: 'too-large' }
    expect(departures(encode(`data:a\n\n${exceeds}`), tooLarge, options)).toEqual([])
  })

  test('does not count what is not kept', () => {
    const long = 'x'.repeat(200)
    const wire = encode(
      `: ${long}\n${long}: 1\nretry: ${long}\n${long}\nretry: 0000000001\ndata: 1234\nevent\ndataset: ${long}\n\n`,
    )
    const events = [{ type: 'message', data: '1234', lastEventId: '' }]
    const expected = { events, lastEventId: '', reconnectionTime: 1, error: undefined }
    expect(departures(wire, expected, { maxEventSize: 4 })).toEqual([])
  })

  test('is a bound on each event, not on the stream', () => {
    const wire = encode('id:12\ndata:1234\n\nevent:12\ndata:1234\n\n:123456789\n:123456789\n\n')
    const { error, ...expected } = read([wire], { maxEventSize: 6 })
    expect(expected.events.map(({ data }) => data)).toEqual(['1234', '1234'])
    expect(error).toBe(undefined)
    expect(departures(wire, { ...expected, error }, { maxEventSize: 6 })).toEqual([])
  })

  test('passes over the rest of what was too large, and goes on', () => {
    const wire = encode(
      'id: 1\ndata: a\n\nid: 2\nevent: x\ndata: 123456789\ndata: 1\nevent: y\nretry: 5\n: hi\nid: 3\nx\n\ndata: b\n\n: 123456789\ndata: c\n\nid: 4\ndata: d\n\n',
    )
    const expected = interpret(wire, { max: 5 })
    expect(expected.told.map((part) => (part[0] === 'event' ? part[1].data : part[0]))).toEqual([
      'a',
      'too-large',
      'b',
      'too-large',
      'd',
    ])
    for (const form of [wire, decode(wire)]) {
      for (const chunks of chunkings(form)) {
        for (const ask of ['each', 'last'] as const) {
          const { buffered, ...got } = tell(chunks, { max: 5 }, ask)
          expect(got).toEqual(expected)
        }
      }
    }
  })

  test('lets go of what was too large', () => {
    const parser = new EventStreamParser({ maxEventSize: 1000 })
    for (const chunk of inChunks(`id: 1\nevent: x\ndata: ${'x'.repeat(1100)}`, 100)) {
      parser.feed(chunk)
      if (parser.buffered > 950) break
      parser.next()
    }
    parser.feed('x'.repeat(100))
    expect(() => parser.next()).toThrow(SseError)
    expect(parser.next()).toBe(undefined)
    expect(parser.buffered).toBeLessThan(10)
  })

  test('is 16 MiB unless the caller says otherwise, and Infinity lifts it', () => {
    const line = (size: number) => inChunks(`data: ${'x'.repeat(size)}`, 2 ** 20)
    expect(read([...line(2 ** 24), '\n\n']).events[0]?.data).toHaveLength(2 ** 24)
    expect(read(line(2 ** 24)).error).toBe(undefined)
    expect(read(line(2 ** 24 + 1)).error).toMatchObject({ code: 'too-large' })
    const { events } = read([...line(2 ** 24 + 1), '\n\n'], {
      maxEventSize: Number.POSITIVE_INFINITY,
    })
    expect(events[0]?.data).toHaveLength(2 ** 24 + 1)
  })

  test('fails as soon as there is too much, also where all chunks are tiny', () => {
    const parser = new EventStreamParser({ maxEventSize: 10 })
    const letters = encode('data:12345678901')
    const failed = letters.findIndex((_, index) => {
      parser.feed(letters.subarray(index, index + 1))
      try {
        parser.next()
      } catch {
        return true
      }
      return false
    })
    expect(failed).toBe(letters.length - 1)
  })

  test('says what the bound was and how to raise it', () => {
    expect(read(['data:123456'], { maxEventSize: 5 }).error).toMatchObject({
      name: 'SseError',
      code: 'too-large',
      message:
        'Expected an event of at most 5 characters, got more. Raise maxEventSize if the server is right',
      retriable: false,
    })
  })

  test.each([0, -1, Number.NaN, '5'])('%j is refused', (maxEventSize) => {
    const make = () => new EventStreamParser({ maxEventSize: maxEventSize as number })
    expect(make).toThrow(/Expected maxEventSize/)
  })
})

describe('a hostile server', () => {
  /** Milliseconds of the processor that reading takes, whatever else the machine does. */
  function time(chunks: readonly Chunk[], options?: EventStreamParserOptions): number {
    const start = process.cpuUsage()
    const { error } = read(chunks, options)
    const { user, system } = process.cpuUsage(start)
    expect(error).toBe(undefined)
    return (user + system) / 1000
  }

  // Four times the input takes about four times as long; sixteen times would be quadratic, and
  // with these sizes seconds, beside which the tenth of a second for collecting garbage is nothing.
  const KiB = 1024
  const heard = { onComment: () => {}, onIgnored: () => {} }
  test.each<[string, (size: number) => Chunk[], number, EventStreamParserOptions?]>([
    [
      'a line in chunks of a packet',
      (n) => inChunks(encode(`data:${'x'.repeat(n)}\n\n`), 1460),
      4096 * KiB,
    ],
    [
      'a line in chunks of two bytes',
      (n) => inChunks(encode(`data:${'x'.repeat(n)}\n\n`), 2),
      512 * KiB,
    ],
    ['a line in chunks of two letters', (n) => inChunks(`data:${'x'.repeat(n)}\n\n`, 2), 512 * KiB],
    [
      'a line in chunks that all end inside a character',
      (n) => inChunks(encode(`data:${'\u{1F600}'.repeat(n)}\n\n`), 7),
      128 * KiB,
    ],
    [
      'one event of 100,000 data lines',
      (n) => inChunks(encode(`${'data: x\n'.repeat(n)}\n`), 64 * KiB),
      100_000,
    ],
    [
      'one event of data lines in chunks of a packet',
      (n) => inChunks(encode(`${'data\n'.repeat(n)}\n`), 1460),
      400_000,
    ],
    ['a flood of CRs, the one LF far away', (n) => [`${'\r'.repeat(n)}\n`], 512 * KiB],
    ['a flood of LFs, the one CR far away', (n) => [`${'\n'.repeat(n)}\r`], 512 * KiB],
    ['a flood of CRLFs', (n) => ['\r\n'.repeat(n)], 256 * KiB],
    ['a flood of lines without a colon', (n) => ['x\n'.repeat(n)], 256 * KiB],
    ['a line without a colon', (n) => inChunks('x'.repeat(n), 1460), 4096 * KiB],
    ['a flood of comments', (n) => [':\n'.repeat(n)], 256 * KiB],
    ['a flood of comments that are heard', (n) => [':\n'.repeat(n)], 256 * KiB, heard],
    [
      'a comment that is heard, in chunks of a packet, inside a large event',
      (n) => [`data:${'x'.repeat(n)}\n`, ...inChunks(`:${'x'.repeat(n)}`, 1460), '\n\n'],
      4096 * KiB,
      { ...heard, maxEventSize: 4097 * KiB },
    ],
    ['a flood of ids', (n) => ['id: 1\n'.repeat(n)], 128 * KiB],
    [
      'a flood of chunks before anything is asked for',
      (n) => inChunks('\n'.repeat(n), 1),
      128 * KiB,
    ],
  ])('costs linear time: %s', (_, make, size, options) => {
    const [quarter, whole] = [make(size / 4), make(size)]
    let [little, much] = [time(quarter, options), time(whole, options)]
    for (let run = 0; run < 3; run++) {
      little = Math.min(little, time(quarter, options))
      much = Math.min(much, time(whole, options))
    }
    expect(much).toBeLessThan(8 * little + 100)
  })

  test.each(['\n', '\r', ':\n', 'data\n\n'])('costs the same in chunks of any size: %j', (part) => {
    const wire = encode(part.repeat((4096 * KiB) / part.length))
    const [small, large] = [inChunks(wire, 4 * KiB), inChunks(wire, 64 * KiB)]
    time(small)
    // V8 once moved a search of the whole chunk into the loop over its lines: 2 to 5 seconds.
    expect(time(large)).toBeLessThan(3 * time(small) + 300)
  })

  function liveMemory(): number {
    setFlagsFromString('--expose-gc')
    const gc: () => void = runInNewContext('gc')
    gc()
    return process.memoryUsage().heapUsed
  }

  test.each<[string, Chunk, number]>([
    ['a line byte by byte', encode('x'), 1],
    ['a line letter by letter', 'x', 1],
    ['an event of data lines without a value', encode('data\n'), 1],
    ['an event of data lines of one character', encode('data:x\n'), 2],
  ])('is held as text, not as a tree of strings: %s', (_, chunk, characters) => {
    const size = 2 ** 20
    const parser = new EventStreamParser()
    parser.feed('data:\ndata:')
    drain(parser)
    const before = liveMemory()
    for (let held = 0; held < size; held += characters) {
      parser.feed(chunk)
      parser.next()
    }
    // As a tree it would be some 32 MiB.
    expect(liveMemory() - before).toBeLessThan(4 * size)
    parser.feed('\n\n')
    expect(parser.next()?.data.length).toBeGreaterThanOrEqual(size)
  })

  test.each([
    ['a comment', ':'],
    ['an unknown field', 'x: '],
    ['a line without a colon', 'x'],
    ['a retry', 'retry: '],
    ['what follows too much data', 'data: '],
  ])('%s that never ends takes no memory', (_, start) => {
    const parser = new EventStreamParser({ maxEventSize: 2 ** 20 })
    const before = liveMemory()
    const chunk = encode('1'.repeat(2 ** 16))
    parser.feed(start)
    let failures = 0
    for (let fed = 0; fed < 2 ** 26; fed += chunk.length) {
      parser.feed(chunk)
      try {
        expect(parser.next()).toBe(undefined)
      } catch {
        failures++
      }
    }
    expect(failures).toBe(start === 'data: ' ? 1 : 0)
    expect(parser.buffered).toBeLessThan(3 * 2 ** 16)
    expect(liveMemory() - before).toBeLessThan(2 ** 20)
  })

  test('an ID does not keep the chunk that it came in', () => {
    const parser = new EventStreamParser()
    const before = liveMemory()
    const ids: string[] = []
    for (let number = 0; number < 100; number++) {
      parser.feed(encode(`id: ${'0'.repeat(20)}${number}\ndata: ${'x'.repeat(2 ** 16)}\n\n`))
      for (const { lastEventId } of drain(parser)) ids.push(lastEventId)
    }
    expect(new Set(ids).size).toBe(100)
    expect(liveMemory() - before).toBeLessThan(2 ** 20)
  })
})

describe('properties', () => {
  // A fixed seed: a run that fails here fails everywhere.
  const parameters = { seed: 20260101, numRuns: 500 }
  const value = (excluded: RegExp) =>
    fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replace(excluded, ''))
  const block = fc.record({
    comment: fc.option(value(/[\r\n]/g), { nil: undefined }),
    event: fc.option(value(/[\r\n]/g), { nil: undefined }),
    id: fc.option(value(/[\r\n\0]/g), { nil: undefined }),
    retry: fc.option(fc.nat(), { nil: undefined }),
    data: fc.option(value(/\r/g), { nil: undefined }),
  })
  type Block = typeof block extends fc.Arbitrary<infer B> ? B : never

  /** The spec's rules, as plainly as they can be put, for blocks whose fields are known. */
  function expectedOf(blocks: readonly Block[]) {
    const events: ServerSentEvent[] = []
    let lastEventId = ''
    let reconnectionTime: number | undefined
    for (const { event, id, retry, data } of blocks) {
      lastEventId = id ?? lastEventId
      reconnectionTime = retry ?? reconnectionTime
      if (data !== undefined) events.push({ type: event || 'message', data, lastEventId })
    }
    return { events, lastEventId, reconnectionTime, error: undefined }
  }

  /** Blocks to lines, without their endings. */
  function linesOf(blocks: readonly Block[]): string[] {
    return blocks.flatMap(({ comment, event, id, retry, data }) => [
      ...(comment === undefined ? [] : [`: ${comment}`]),
      ...(event === undefined ? [] : [`event: ${event}`]),
      ...(retry === undefined ? [] : [`retry: ${retry}`]),
      ...(data === undefined ? [] : data.split('\n').map((line) => `data: ${line}`)),
      ...(id === undefined ? [] : [`id: ${id}`]),
      '',
    ])
  }

  /** Cuts at places named as shares of the whole, which may coincide. */
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 })
  function cutAt<C extends Chunk>(wire: C, places: readonly number[]): C[] {
    return cut(
      wire,
      places.map((share) => Math.floor(share * wire.length)).sort((a, b) => a - b),
    )
  }

  test.each(['\n', '\r', '\r\n'])(
    'any events, ended by %j, in any chunks, come as they are',
    (ending) => {
      fc.assert(
        fc.property(
          fc.array(block, { maxLength: 6 }),
          shares,
          fc.boolean(),
          (blocks, places, bom) => {
            const text = `${bom ? '\uFEFF' : ''}${linesOf(blocks)
              .map((line) => line + ending)
              .join('')}`
            expect(read(cutAt(encode(text), places))).toEqual(expectedOf(blocks))
            expect(read(cutAt(text, places))).toEqual(expectedOf(blocks))
            expect(read(inChunks(encode(text), 1))).toEqual(expectedOf(blocks))
          },
        ),
        parameters,
      )
    },
  )

  test('any events come as they are when each line ends in its own way', () => {
    const endings = fc.infiniteStream(fc.constantFrom('\n', '\r', '\r\n'))
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), endings, shares, (blocks, ending, places) => {
        let text = ''
        for (const line of linesOf(blocks)) {
          const next: string = ending.next().value
          // An LF right after a CR would end no line of its own.
          text += line === '' && text.endsWith('\r') ? '\r' : line + next
        }
        expect(read(cutAt(encode(text), places))).toEqual(expectedOf(blocks))
      }),
      parameters,
    )
  })

  // As many units as bytes, and yet not one for each: the emoji's last byte gives two.
  test.each<[string, Uint8Array]>([
    [
      'an emoji, and a letter of two bytes',
      encode(`data: 😀\n\ndata: 1\n\ndata: é${'x'.repeat(99)}\n\n`),
    ],
    [
      'what is no UTF-8',
      Uint8Array.from([
        ...encode('data: '),
        0xe2,
        ...encode(`\n\ndata: ${'x'.repeat(99)}\n\ndata: `),
        0xe2,
        10,
        10,
      ]),
    ],
  ])('comes to the same wherever large chunks are cut: %s', (_, end) => {
    const wire = Uint8Array.from([...encode(`:${'.'.repeat(99)}\n`), ...end])
    const whole = read([wire])
    expect(whole.events.length).toBeGreaterThan(1)
    for (let first = 1; first < wire.length; first++) {
      for (let second = first; second < wire.length; second++) {
        const seen = read(cut(wire, [first, second]))
        if (seen.events.length !== whole.events.length) expect.fail(`cut at ${first}, ${second}`)
        if (second === first) expect(seen).toEqual(whole)
      }
    }
  })

  test('any bytes come to the same in any chunks, and fail in no other way than too-large', () => {
    // Bytes that mean something to the grammar or to UTF-8, and whole words of it, among any others.
    const byte = fc.oneof(
      fc.constantFrom(0x0a, 0x0d, 0x20, 0x3a, 0x00, 0x80, 0xbf, 0xc3, 0xe2, 0xef, 0xbb, 0xf0, 0x9f),
      fc.integer({ min: 0, max: 255 }),
    )
    const word = fc.constantFrom(
      'data',
      'data:',
      'id: ',
      'event:',
      'retry: 1',
      '\n\n',
      '\uFEFF',
      '\u{1F600}',
    )
    const part = fc.oneof(
      fc.array(byte, { maxLength: 6 }),
      word.map((text) => [...encode(text)]),
    )
    const bytes = fc.array(part, { maxLength: 24 }).map((parts) => Uint8Array.from(parts.flat()))
    fc.assert(
      fc.property(bytes, shares, fc.integer({ min: 1, max: 40 }), (wire, places, maxEventSize) => {
        const unsplit = read([wire])
        expect(unsplit.error).toBe(undefined)
        expect(read(cutAt(wire, places))).toEqual(unsplit)
        expect(read(inChunks(wire, 1))).toEqual(unsplit)
        expect(read(cutAt(decode(wire), places))).toEqual(unsplit)

        const bounded = read([wire], { maxEventSize })
        expect([undefined, 'too-large']).toContain(
          bounded.error && (bounded.error as SseError).code,
        )
        expect(unsplit.events.slice(0, bounded.events.length)).toEqual(bounded.events)
        expect(read(cutAt(wire, places), { maxEventSize })).toEqual(bounded)
      }),
      { ...parameters, numRuns: 3000 },
    )
  })
})
