import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SseError } from '../src/errors'
import { EventStreamParser, type ParserOptions, type ServerSentEvent } from '../src/parser'
import { corpus } from './corpus'

type Chunk = Uint8Array | string

const encoder = new TextEncoder()
const encode = (text: string) => encoder.encode(text)
/** Text as the parser sees it, its BOM included. */
const decode = (wire: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(wire)

/** A whole stream read: all that can be observed of it, a failure included. */
function read(chunks: readonly Chunk[], options?: ParserOptions) {
  const parser = new EventStreamParser('', options)
  const events: ServerSentEvent[] = []
  let error: unknown
  try {
    for (const chunk of chunks) parser.push(chunk, events)
  } catch (thrown) {
    error = thrown
  }
  const { lastEventId, reconnectionTime } = parser
  return { events, lastEventId, reconnectionTime, error }
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
function departures(wire: Uint8Array, expected: unknown, options?: ParserOptions): unknown[] {
  const found: unknown[] = []
  const key = (outcome: unknown) =>
    JSON.stringify(outcome, (_, value) => (typeof value === 'object' ? value : `${value}`))
  const wanted = key(expected)
  for (const form of [wire, decode(wire)]) {
    for (const chunks of chunkings(form)) {
      const { error, ...outcome } = read(chunks, options)
      const got = { ...outcome, error: error instanceof SseError ? error.code : error }
      if (key(got) !== wanted && found.length < 3) found.push({ chunks, got })
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
    const parser = new EventStreamParser('0', { onComment: (text) => told.push(`comment:${text}`) })
    for (const chunk of chunks) {
      const before = { id: parser.lastEventId, retry: parser.reconnectionTime }
      const batch: ServerSentEvent[] = []
      parser.push(chunk, batch)
      if (parser.reconnectionTime !== before.retry) told.push(`retry:${parser.reconnectionTime}`)
      if (parser.lastEventId !== before.id) told.push(`id:${parser.lastEventId}`)
      told.push(...batch.map(({ data }) => `event:${data}`), '|')
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
      '| retry:5 | | | | id:1 event:a |',
    )
  })

  test('a comment is told when its line ends, before the event around it', () => {
    expect(story('data: a\n: h', 'i', '\ndata: b\n', '\n: cut off')).toBe(
      '| | comment:hi | event:a\nb |',
    )
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

describe('the place in the stream', () => {
  test('the last event ID is carried over from the constructor until the stream names another', () => {
    const parser = new EventStreamParser('7')
    const events: ServerSentEvent[] = []
    parser.push('data: a\n\nid: 8\ndata: b\n\nid\ndata: c\n\n', events)
    expect(events.map(({ data, lastEventId }) => `${data}:${lastEventId}`)).toEqual([
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

  test('an event whose own id is replayed is dropped, and does not move the place back', () => {
    const parser = new EventStreamParser('2', {}, new Set(['1', '2']))
    const events: ServerSentEvent[] = []
    parser.push('id: 1\ndata: a\n\ndata: b\n\nid: 3\ndata: c\n\nid: 2\ndata: d\n\n', events)
    expect(events.map(({ data, lastEventId }) => `${data}:${lastEventId}`)).toEqual(['b:2', 'c:3'])
    expect(parser.lastEventId).toBe('3')
  })

  test('an event that carries a replayed id over is delivered', () => {
    const parser = new EventStreamParser('2', {}, new Set(['2']))
    const events: ServerSentEvent[] = []
    parser.push('data: a\n\n', events)
    expect(events).toEqual([{ type: 'message', data: 'a', lastEventId: '2' }])
  })
})

describe('what others make of it', () => {
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

  test('a throw in onComment reaches who pushed, and the events before it are in the batch', () => {
    const onComment = () => {
      throw new Error('from onComment')
    }
    const { events, error } = read(['data: a\n\n: hi\ndata: b\n\n'], { onComment })
    expect(events.map(({ data }) => data)).toEqual(['a'])
    expect(error).toEqual(new Error('from onComment'))
  })

  test('a subclass sees what each block with a field said itself, and drops it or not', () => {
    class Blocks extends EventStreamParser<unknown[]> {
      protected override event(...block: Parameters<EventStreamParser['event']>) {
        return block.includes('drop') ? undefined : block
      }
    }
    const blocks: unknown[][] = []
    new Blocks('7').push(
      encode(
        'data: a\nid: 1\nevent: x\nretry: 5\n\ndata\n\nid\n\n\nretry: x\nid: \0\n:\nx\n\nevent: drop\ndata\n\ndata: drop\n\n',
      ),
      blocks,
    )
    expect(blocks).toEqual([
      ['x', 'a', '1', 5],
      ['', '', undefined, undefined],
      ['', undefined, '', undefined],
    ])
  })
})

describe('maxEventSize', () => {
  // What still fits, what does not. Each wire follows a good event, which must come either way.
  test.each([
    ['a line, its field name included', 10, 'data:12345\n\n', 'data:123456\n\n'],
    ['a line that has not ended', 10, 'data:12345', 'data:123456'],
    [
      'a line of characters that take two units',
      11,
      'data:\u{1F600}ab\u{1F600}\n',
      'data:\u{1F600}\u{1F600}\u{1F600}a\n',
    ],
    [
      'a line of characters of several bytes',
      10,
      'data:\u00E9\u4F60\u00E9\u4F60\u00E9\n',
      'data:\u4F60\u4F60\u4F60\u4F60\u4F60\u4F60\n',
    ],
    ['an event of many lines', 12, 'data:1234\ndata:123\n\n', 'data:1234\ndata:1234\n\n'],
    ['an event of many empty lines', 10, 'data\n'.repeat(8), 'data\n'.repeat(9)],
    ['an event whose last line has not ended', 12, 'data:1234\ndata:123', 'data:1234\ndata:1234'],
    ['a comment', 10, ':123456789\n', ':1234567890\n'],
    ['a comment beside data', 10, 'data:1234\n:12345\n', 'data:1234\n:123456\n'],
    ['an unknown field', 10, 'x:12345678\n', 'x:123456789\n'],
    ['a line without a colon', 10, '1234567890\n', '12345678901\n'],
    ['a type beside data', 14, 'event:1234\ndata:12345\n', 'event:1234\ndata:123456\n'],
    ['a type on its own line', 10, 'event:1234\n', 'event:12345\n'],
    ['an id beside data', 14, 'id:1234\ndata:12345\n', 'id:1234\ndata:123456\n'],
    ['a blank line, which takes nothing', 8, 'data:1\n\n', 'data:1\n:1234567\n\n'],
    ['a CRLF, which takes nothing', 10, 'data:12345\r\n\r\n', 'data:123456\r\n\r\n'],
  ])('bounds %s', (_, maxEventSize, fits, exceeds) => {
    const good = encode(`data:a\n\n${fits}`)
    const { error, ...expected } = read([good], { maxEventSize })
    expect(error).toBe(undefined)
    expect(departures(good, { ...expected, error }, { maxEventSize })).toEqual([])

    const events = [{ type: 'message', data: 'a', lastEventId: '' }]
    const tooLarge = { events, lastEventId: '', reconnectionTime: undefined, error: 'too-large' }
    expect(departures(encode(`data:a\n\n${exceeds}`), tooLarge, { maxEventSize })).toEqual([])
  })

  test('is a bound on each event, not on the stream', () => {
    const wire = encode('id:1234\ndata:123\n\nevent:12\ndata:12345\n\n:123456789\n:123456789\n\n')
    const { error, ...expected } = read([wire], { maxEventSize: 12 })
    expect(expected.events.map(({ data }) => data)).toEqual(['123', '12345'])
    expect(error).toBe(undefined)
    expect(departures(wire, { ...expected, error }, { maxEventSize: 12 })).toEqual([])
  })

  test('is 16 MiB unless the caller says otherwise', () => {
    const line = (size: number) => inChunks(`data:${'x'.repeat(size - 5)}`, 2 ** 20)
    expect(read([...line(2 ** 24), '\n\n']).events[0]?.data).toHaveLength(2 ** 24 - 5)
    expect(read(line(2 ** 24)).error).toBe(undefined)
    expect(read(line(2 ** 24 + 1)).error).toMatchObject({ code: 'too-large' })
  })

  test('says what the bound was and how to raise it', () => {
    expect(read([':12345'], { maxEventSize: 5 }).error).toMatchObject({
      name: 'SseError',
      code: 'too-large',
      message:
        'Expected an event of at most 5 characters, got more. Raise maxEventSize if the server is right',
      retriable: false,
    })
  })
})

describe('a hostile server', () => {
  /** Milliseconds of the processor that reading takes, whatever else the machine does. */
  function time(chunks: readonly Chunk[]): number {
    const start = process.cpuUsage()
    const { error } = read(chunks)
    const { user, system } = process.cpuUsage(start)
    expect(error).toBe(undefined)
    return (user + system) / 1000
  }

  // Four times the input takes about four times as long; sixteen times would be quadratic, and
  // with these sizes seconds, beside which the tenth of a second for collecting garbage is nothing.
  const KiB = 1024
  test.each<[string, (size: number) => Chunk[], number]>([
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
    ['a flood of ids', (n) => ['id: 1\n'.repeat(n)], 128 * KiB],
  ])('costs linear time: %s', (_, make, size) => {
    const [quarter, whole] = [make(size / 4), make(size)]
    let [little, much] = [time(quarter), time(whole)]
    for (let run = 0; run < 3; run++) {
      little = Math.min(little, time(quarter))
      much = Math.min(much, time(whole))
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

  test.each<[string, Chunk, number]>([
    ['a line byte by byte', encode('x'), 1],
    ['a line letter by letter', 'x', 1],
    ['an event of data lines without a value', encode('data\n'), 1],
    ['an event of data lines of one character', encode('data:x\n'), 2],
  ])('is held as text, not as a tree of strings: %s', (_, chunk, characters) => {
    setFlagsFromString('--expose-gc')
    const gc: () => void = runInNewContext('gc')
    const size = 2 ** 20
    const parser = new EventStreamParser()
    const batch: ServerSentEvent[] = []
    parser.push('data:\ndata:', batch)
    gc()
    const before = process.memoryUsage().heapUsed
    for (let held = 0; held < size; held += characters) parser.push(chunk, batch)
    gc()
    // As a tree it would be some 32 MiB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4 * size)
    parser.push('\n\n', batch)
    expect(batch[0]?.data.length).toBeGreaterThanOrEqual(size)
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
