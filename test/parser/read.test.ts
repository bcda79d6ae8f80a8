import { get } from 'node:http'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { SseError } from '../../src/errors'
import { type EventStreamSource, readEvents, type ServerSentEvent } from '../../src/parser/index'
import { corpus } from '../corpus'
import { body, live, stream } from '../support/response'
import { serve } from '../support/server'

const encoder = new TextEncoder()
const encode = (text: string) => encoder.encode(text)
const tick = () => new Promise((resolve) => setImmediate(resolve))

async function read(source: EventStreamSource): Promise<ServerSentEvent[]> {
  const events: ServerSentEvent[] = []
  for await (const event of readEvents(source)) events.push(event)
  return events
}

const parts = ['id: 1\nda', 'ta: a\r', '\n\r\ndata: \u{1F600}\n\nda', 'ta: c']
const events = [
  { type: 'message', data: 'a', lastEventId: '1' },
  { type: 'message', data: '\u{1F600}', lastEventId: '1' },
]

async function* generate<T>(chunks: readonly T[]) {
  yield* chunks
}

function textStream(chunks: readonly string[]): ReadableStream<string> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
}

describe('the source', () => {
  test.each<[string, () => EventStreamSource]>([
    ['a Response', () => stream(parts)],
    ['a stream of bytes', () => body(parts)],
    ['a stream of text', () => textStream(parts)],
    [
      'a stream of text by TextDecoderStream',
      () => body(parts).pipeThrough(new TextDecoderStream() as never),
    ],
    ['a Node stream of bytes', () => Readable.from(parts.map((part) => Buffer.from(part)))],
    ['a Node stream of text', () => Readable.from(parts)],
    ['a response whose body is a Node stream', () => ({ body: Readable.from(parts) })],
    ['an async generator of bytes', () => generate(parts.map(encode))],
    ['an async generator of buffers', () => generate(parts.map((part) => encode(part).buffer))],
    [
      'an async generator with null between',
      () => generate(parts.flatMap((part) => [null, part, undefined])),
    ],
    ['an array of text', () => parts],
    ['a set', () => new Set(parts)],
    ['a generator', () => parts.values()],
  ])('may be %s', async (_, source) => {
    expect(await read(source())).toEqual(events)
  })

  test.each(corpus)('%s', async (_, wire, { events }) => {
    expect(await read([wire])).toEqual(events)
    expect(await read(Array.from(wire, (byte) => Uint8Array.of(byte)))).toEqual(events)
  })

  test('may be the response of a server, and of node:http', async () => {
    const { url } = await serve((_, response) => {
      for (const part of parts) response.write(part)
      response.end()
    })
    expect(await read(await fetch(url))).toEqual(events)
    const message = await new Promise<Readable>((resolve) => get(url, resolve))
    expect(await read(message)).toEqual(events)
  })

  test('a response without a body has no events', async () => {
    expect(await read(new Response(null))).toEqual([])
  })

  test.each([undefined, null, 5, 'data: a\n\n', {}, fetch, Promise.resolve()])(
    'is refused at once where it is none: %s',
    (source) => {
      expect(() => readEvents(source as unknown as Response)).toThrow(TypeError)
    },
  )

  test('is refused at once where it is locked', () => {
    const response = stream(parts)
    readEvents(response)
    expect(() => readEvents(response)).toThrow(TypeError)
  })

  test('is not read before anything is asked for, and no further than that', async () => {
    const taken: string[] = []
    async function* source() {
      for (const chunk of ['data: a\n\ndata: b\n\n', 'da', 'ta: c\n', '\n', 'data: d\n\n']) {
        taken.push(chunk)
        yield chunk
      }
    }
    const iterator = readEvents(source())
    await tick()
    expect(taken).toHaveLength(0)
    const counts: number[] = []
    for (let left = 3; left > 0; left--) {
      await iterator.next()
      await tick()
      counts.push(taken.length)
    }
    expect(counts).toEqual([1, 1, 4])
  })
})

describe('leaving', () => {
  test('break cancels a response', async () => {
    const { response, write, cancelled } = live()
    write('data: a\n\ndata: b\n\n')
    for await (const _ of readEvents(response)) break
    await cancelled
  })

  test('break closes the socket', async () => {
    const server = await serve((_, response) => response.write('data: a\n\n'))
    for await (const { data } of readEvents(await fetch(server.url))) {
      expect(data).toBe('a')
      break
    }
    await server.socketsToBe(0)
  })

  test('a throw in the loop cancels it as well', async () => {
    const { response, write, cancelled } = live()
    write('data: a\n\n')
    const loop = async () => {
      for await (const _ of readEvents(response)) throw new Error('from the loop')
    }
    await expect(loop()).rejects.toThrow('from the loop')
    await cancelled
  })

  test('break destroys a Node stream, and returns a generator', async () => {
    const node = Readable.from(['data: a\n\n', 'data: b\n\n'])
    for await (const _ of readEvents(node)) break
    expect(node.destroyed).toBe(true)

    let returned = false
    function* source() {
      try {
        yield 'data: a\n\n'
        yield 'data: b\n\n'
      } finally {
        returned = true
      }
    }
    for await (const _ of readEvents(source())) break
    expect(returned).toBe(true)
  })

  test('return() cancels also before anything is read, with its reason, and settles what is pending', async () => {
    const reasons: unknown[] = []
    const source = () =>
      new ReadableStream<string>({ cancel: (reason) => void reasons.push(reason) })
    const unread = readEvents(source())
    expect(await unread.return?.('first' as never)).toEqual({ done: true, value: undefined })

    const pending = readEvents(source())
    const next = pending.next()
    await tick()
    expect(await pending.return?.('second' as never)).toEqual({ done: true, value: undefined })
    expect(await next).toEqual({ done: true, value: undefined })
    expect(await pending.next()).toEqual({ done: true, value: undefined })
    expect(reasons).toEqual(['first', 'second'])
  })

  test('a source that fails after that is not heard', async () => {
    let fail: ((error: Error) => void) | undefined
    const source: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((_, reject) => {
            fail = reject
          }),
      }),
    }
    const events = readEvents(source)
    const next = events.next()
    await tick()
    await events.return?.()
    fail?.(new Error('late'))
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('a block that was cut by leaving is not delivered as the last one', async () => {
    const { response, write } = live()
    const events = readEvents(response, { incomplete: 'deliver' })
    const next = events.next()
    write('data: a\n')
    await tick()
    await events.return?.()
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('a cancel that fails, or never settles, is nobody\u2019s business', async () => {
    for (const cancel of [
      () => Promise.reject(new Error('cancel')),
      () => new Promise<void>(() => {}),
    ]) {
      const source = new ReadableStream<string>({
        start: (controller) => controller.enqueue('data: a\n\n'),
        cancel,
      })
      for await (const _ of readEvents(source)) break
    }
    await tick()
  })
})

describe('several at once', () => {
  test('what is asked for together comes in its order', async () => {
    const iterator = readEvents(body(['da', 'ta: a\n\n', 'data: b\n\ndata: c\n\n']))
    const results = await Promise.all(Array.from({ length: 5 }, () => iterator.next()))
    expect(results.map(({ value }) => value?.data)).toEqual(['a', 'b', 'c', undefined, undefined])
    expect(results.map(({ done }) => done)).toEqual([false, false, false, true, true])
  })

  test('a failure is told once, to the first', async () => {
    const error = new Error('cut')
    const iterator = readEvents(body(['data: a\n\n'], error))
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => iterator.next()))
    const end = { done: true, value: undefined }
    expect(results.map((result) => ('value' in result ? result.value : result.reason))).toEqual([
      { done: false, value: { type: 'message', data: 'a', lastEventId: '' } },
      error,
      end,
      end,
    ])
  })

  test('its iterator is itself', () => {
    const iterator = readEvents([])
    expect(iterator[Symbol.asyncIterator]()).toBe(iterator)
  })
})

describe('failure', () => {
  /** The data of the events, an error last. */
  async function story(events: AsyncIterable<ServerSentEvent>): Promise<unknown[]> {
    const told: unknown[] = []
    try {
      for await (const { data } of events) told.push(data)
      told.push('end')
    } catch (error) {
      told.push(error instanceof SseError ? error.code : error)
    }
    return told
  }

  test('of the source comes after all events before it', async () => {
    const error = new Error('cut')
    expect(await story(readEvents(body(['data: a\n\ndata: b\n\ndata: c'], error)))).toEqual([
      'a',
      'b',
      error,
    ])
    async function* source() {
      yield 'data: a\n\n'
      throw error
    }
    expect(await story(readEvents(source()))).toEqual(['a', error])
  })

  test('too much of an event comes after all events before it, and cancels the source', async () => {
    const { response, write, cancelled } = live()
    write('data: a\n\ndata: 1234567\n\n')
    const events = readEvents(response, { maxEventSize: 6 })
    expect(await story(events)).toEqual(['a', 'too-large'])
    await cancelled
    expect(await events.next()).toEqual({ done: true, value: undefined })
  })

  test('so does a callback that throws', async () => {
    const { response, write, cancelled } = live()
    write('data: a\n\n: hi\ndata: b\n\n')
    const error = new Error('from onComment')
    const onComment = () => {
      throw error
    }
    expect(await story(readEvents(response, { onComment }))).toEqual(['a', error])
    await cancelled
  })

  test('a chunk that is none is refused', async () => {
    const source = ['data: a\n\n', 5] as unknown as string[]
    expect(await story(readEvents(source))).toEqual(['a', expect.any(TypeError)])
  })
})

describe('options', () => {
  test('block says what comes', async () => {
    const found: unknown[] = []
    const block = ({ event, data }: { event: string | undefined; data: string | undefined }) =>
      event && { event, data }
    for await (const event of readEvents(['event: x\n\ndata: a\n\n'], {
      block: (b) => block(b) || undefined,
    })) {
      found.push(event)
    }
    expect(found).toEqual([{ event: 'x', data: undefined }])
  })

  test('incomplete delivers the event of an unfinished block', async () => {
    const found: string[] = []
    for await (const { data } of readEvents(stream(['data: a\n\ndata: ', 'b']), {
      incomplete: 'deliver',
    })) {
      found.push(data)
    }
    expect(found).toEqual(['a', 'b'])
  })

  test('lastEventId is carried, comments, retries and ignored lines are heard in their place', async () => {
    const told: string[] = []
    const source = stream([': a\nretry: 5\ndata: 1\n\nx', ': y\n: b\ndata: 2\n\n'])
    for await (const { data, lastEventId } of readEvents(source, {
      lastEventId: '7',
      onComment: (text) => told.push(`comment ${text}`),
      onRetry: (time) => told.push(`retry ${time}`),
      onIgnored: (line) => told.push(`ignored ${line}`),
    })) {
      told.push(`${data} ${lastEventId}`)
    }
    expect(told).toEqual(['comment a', 'retry 5', '1 7', 'ignored x: y', 'comment b', '2 7'])
  })

  test('those that make no sense are refused at once', () => {
    expect(() => readEvents([], { maxEventSize: -1 })).toThrow(RangeError)
  })
})

test('chunks without an event take no memory, however many', async () => {
  const chunk = encode(`: ${'.'.repeat(100)}\n`)
  async function* source() {
    for (let left = 100_000; left > 0; left--) yield chunk
    yield 'data: a\n\n'
  }
  const before = process.memoryUsage().heapUsed
  const iterator = readEvents(source())
  expect((await iterator.next()).value?.data).toBe('a')
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 2 ** 20)
})
