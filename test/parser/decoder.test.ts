import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EventStreamDecoder, type ServerSentEvent } from '../../src/parser/index'
import { corpus } from '../corpus'
import { body } from '../support/response'

/** All that comes out, an error last; `turn` is what the consumer does between two events. */
async function told(
  events: ReadableStream<ServerSentEvent>,
  turn: () => Promise<unknown> = async () => {},
): Promise<string[]> {
  const story: string[] = []
  try {
    for await (const { type, data, lastEventId } of events) {
      story.push(`${type}:${data}:${lastEventId}`)
      await turn()
    }
    story.push('end')
  } catch (error) {
    story.push((error as { code?: string }).code ?? `${error}`)
  }
  return story
}

const tick = () => new Promise((resolve) => setImmediate(resolve))

describe('as a pair of streams', () => {
  test.each(corpus)('%s', async (_, wire, { events }) => {
    const found: ServerSentEvent[] = []
    const chunks = Array.from(wire, (_, index) => wire.subarray(index, index + 1))
    for await (const event of body(chunks).pipeThrough(new EventStreamDecoder())) found.push(event)
    expect(found).toEqual(events)
  })

  test('text chunks are read as bytes are', async () => {
    const text = new ReadableStream<string>({
      start(controller) {
        for (const chunk of ['\uFEFFid: 1\r', '\nda', 'ta: \u{1F600}', '\r\n\r']) {
          controller.enqueue(chunk)
        }
        controller.close()
      },
    })
    expect(await told(text.pipeThrough(new EventStreamDecoder()))).toEqual([
      'message:\u{1F600}:1',
      'end',
    ])
  })

  test('the last event ID it is given is carried over', async () => {
    const events = body(['data: a\n\nid: 8\ndata: b\n\n']).pipeThrough(
      new EventStreamDecoder({ lastEventId: '7' }),
    )
    expect(await told(events)).toEqual(['message:a:7', 'message:b:8', 'end'])
  })

  test('comments are told as they are read', async () => {
    const comments: string[] = []
    const onComment = (text: string) => comments.push(text)
    const events = body([': hi\n', 'data: a\n\n:\n']).pipeThrough(
      new EventStreamDecoder({ onComment }),
    )
    expect(await told(events)).toEqual(['message:a:', 'end'])
    expect(comments).toEqual(['hi', ''])
  })

  test('a writer may write by hand, and an unfinished block is dropped at its close', async () => {
    const { readable, writable } = new EventStreamDecoder()
    const writer = writable.getWriter()
    const story = told(readable)
    await writer.write('event: x\ndata: a\n\n')
    await writer.write(new TextEncoder().encode('data: b\n'))
    await writer.close()
    expect(await story).toEqual(['x:a:', 'end'])
  })
})

describe('options', () => {
  test('block says what comes out of the readable side', async () => {
    const decoder = new EventStreamDecoder({
      block: ({ event, data }) => (event === 'ping' ? undefined : [event, data]),
    })
    const found: unknown[] = []
    const source = body(['event: ping\n\nevent: x\n\ndata: a\n\n'])
    for await (const event of source.pipeThrough(decoder)) found.push(event)
    expect(found).toEqual([
      ['x', undefined],
      [undefined, 'a'],
    ])
  })

  test('incomplete delivers the event of an unfinished block', async () => {
    const decoder = new EventStreamDecoder({ incomplete: 'deliver' })
    const events = body(['data: a\n\nda', 'ta: b']).pipeThrough(decoder)
    expect(await told(events)).toEqual(['message:a:', 'message:b:', 'end'])
  })

  test('what makes no sense is refused at once', () => {
    expect(() => new EventStreamDecoder({ maxEventSize: -1 })).toThrow(RangeError)
  })
})

describe('where streams cannot be iterated, as in Safari', () => {
  const iterate = Object.getOwnPropertyDescriptor(
    ReadableStream.prototype,
    Symbol.asyncIterator,
  ) as PropertyDescriptor

  beforeEach(() => {
    delete (ReadableStream.prototype as { [Symbol.asyncIterator]?: unknown })[Symbol.asyncIterator]
  })
  afterEach(() => {
    Object.defineProperty(ReadableStream.prototype, Symbol.asyncIterator, iterate)
  })

  test('the readable side can', async () => {
    const source = body(['data: a\n\ndata: b\n\n'])
    expect(Symbol.asyncIterator in source).toBe(false)
    expect(await told(source.pipeThrough(new EventStreamDecoder()))).toEqual([
      'message:a:',
      'message:b:',
      'end',
    ])
  })

  test('a consumer that breaks out of its loop cancels the source', async () => {
    let cancelled = false
    const source = new ReadableStream<string>({
      start: (controller) => controller.enqueue('data: a\n\ndata: b\n\n'),
      cancel() {
        cancelled = true
      },
    })
    for await (const _ of source.pipeThrough(new EventStreamDecoder())) break
    await tick()
    expect(cancelled).toBe(true)
  })
})

describe('backpressure', () => {
  /** A source that counts what is taken from it. */
  function counted(chunk: string) {
    const source = {
      taken: 0,
      stream: new ReadableStream<string>(
        {
          pull(controller) {
            source.taken++
            controller.enqueue(chunk)
          },
        },
        { highWaterMark: 0 },
      ),
    }
    return source
  }

  test('nothing is taken that nobody asked for, beyond the one chunk that a pipe holds', async () => {
    const source = counted('data: a\n\ndata: b\n\ndata: c\n\n')
    const reader = source.stream.pipeThrough(new EventStreamDecoder()).getReader()
    const taken: number[] = []
    for (let event = 0; event < 7; event++) {
      await tick()
      taken.push(source.taken)
      await reader.read()
    }
    // One is held before anyone asks; from then on another for every three events, a chunk's worth.
    expect(taken).toEqual([1, 2, 2, 2, 3, 3, 3])
    await reader.cancel()
  })

  test('chunks that complete no event are taken until one does', async () => {
    const reader = body(['da', 'ta', ': a', '\n', ': hi\n', '\n'])
      .pipeThrough(new EventStreamDecoder())
      .getReader()
    expect(await reader.read()).toEqual({
      done: false,
      value: { type: 'message', data: 'a', lastEventId: '' },
    })
    expect(await reader.read()).toEqual({ done: true, value: undefined })
  })

  test('a consumer that leaves cancels the source, with its reason', async () => {
    let reason: unknown
    const source = new ReadableStream<string>({
      start: (controller) => controller.enqueue('data: a\n\ndata: b\n\n'),
      cancel(given) {
        reason = given
      },
    })
    const reader = source.pipeThrough(new EventStreamDecoder()).getReader()
    await reader.read()
    await reader.cancel('enough')
    await tick()
    expect(reason).toBe('enough')
  })

  test('a consumer that breaks out of its loop cancels the source', async () => {
    let cancelled = false
    const source = new ReadableStream<string>({
      start: (controller) => controller.enqueue('data: a\n\ndata: b\n\n'),
      cancel() {
        cancelled = true
      },
    })
    for await (const _ of source.pipeThrough(new EventStreamDecoder())) break
    await tick()
    expect(cancelled).toBe(true)
  })
})

describe('failure', () => {
  const good = 'data: a\n\ndata: b\n\ndata: c\n\n'
  const events = ['message:a:', 'message:b:', 'message:c:']
  const excess = `data: ${'x'.repeat(21)}`

  test.each([
    ['in the same chunk, with more to come', [good + excess, 'data: d\n\n']],
    ['in the last chunk', [good + excess]],
    ['in a chunk of its own', [good, excess]],
    ['in chunks that add up', [good, ...excess]],
  ])('an event over maxEventSize fails after all events before it: %s', async (_, chunks) => {
    for (const turn of [undefined, tick]) {
      const decoder = new EventStreamDecoder({ maxEventSize: 20 })
      expect(await told(body(chunks).pipeThrough(decoder), turn)).toEqual([...events, 'too-large'])
    }
  })

  test('an event over maxEventSize fails the writable side, and cancels the source', async () => {
    let reason: unknown
    const source = new ReadableStream<string>({
      start: (controller) => controller.enqueue(good + excess),
      cancel(given) {
        reason = given
      },
    })
    const decoder = new EventStreamDecoder({ maxEventSize: 20 })
    expect(await told(source.pipeThrough(decoder))).toEqual([...events, 'too-large'])
    await tick()
    expect(reason).toMatchObject({ name: 'SseError', code: 'too-large' })

    const { readable, writable } = new EventStreamDecoder({ maxEventSize: 20 })
    const writer = writable.getWriter()
    const story = told(readable)
    await writer.write(excess)
    await expect(writer.closed).rejects.toMatchObject({ code: 'too-large' })
    expect(await story).toEqual(['too-large'])
  })

  test('a source that fails does so after all events before it', async () => {
    for (const turn of [undefined, tick]) {
      const source = body([good, 'data: d'], new Error('cut'))
      expect(await told(source.pipeThrough(new EventStreamDecoder()), turn)).toEqual([
        ...events,
        'Error: cut',
      ])
    }
  })

  test('an event over maxEventSize in the last chunk of a source that then fails is one failure', async () => {
    const decoder = new EventStreamDecoder({ maxEventSize: 20 })
    const source = body([good + excess], new Error('cut'))
    expect(await told(source.pipeThrough(decoder), tick)).toEqual([...events, 'too-large'])
  })

  test('a writer that aborts right after an event over maxEventSize is one failure, all handled', async () => {
    const { readable, writable } = new EventStreamDecoder({ maxEventSize: 20 })
    const story = told(readable)
    await tick()
    const writer = writable.getWriter()
    writer.closed.catch(() => {})
    writer.write(excess).catch(() => {})
    await writer.abort('gone')
    expect(await story).toEqual(['too-large'])
  })

  test('a throw in onComment fails the stream after the events before it', async () => {
    const onComment = () => {
      throw new Error('from onComment')
    }
    const source = body(['data: a\n\ndata: b\n\n: hi\ndata: c\n\n'])
    expect(await told(source.pipeThrough(new EventStreamDecoder({ onComment })), tick)).toEqual([
      'message:a:',
      'message:b:',
      'Error: from onComment',
    ])
  })
})
