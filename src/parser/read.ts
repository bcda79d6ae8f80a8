import type { ServerSentEvent } from './event'
import { type EventStreamChunk, EventStreamParser, type EventStreamParserOptions } from './parser'

type Chunk = EventStreamChunk | null | undefined

/** A `ReadableStream`, as far as it is used: the types need neither lib `dom` nor Node's. */
interface Stream {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Chunk }>
    cancel(reason?: unknown): Promise<unknown>
  }
}

/**
 * What {@link readEvents} reads: a `Response`, or the stream or the chunks of its body.
 *
 * @example
 * ```ts
 * import { type EventStreamSource, readEvents } from 'tidings/parser'
 *
 * async function print(source: EventStreamSource) {
 *   for await (const event of readEvents(source)) show(event.data)
 * }
 * ```
 */
export type EventStreamSource =
  | { readonly body: Stream | AsyncIterable<Chunk> | null }
  | Stream
  | AsyncIterable<Chunk>
  | (Iterable<Chunk> & object)

/**
 * The events of a response that you have already, whoever fetched it: a `Response`, a
 * `ReadableStream` of bytes or text, a Node stream, or any iterable of chunks. Nothing is read
 * before it is asked for. Leaving the loop cancels the source.
 *
 * It rejects with an `SseError` of code `too-large` over `maxEventSize`, and with what a callback
 * throws or the source fails with, after all events before it; the source is then cancelled.
 *
 * @throws {TypeError} for a stream that is locked, or whatever is not a source
 *
 * @example
 * ```ts
 * import { readEvents } from 'tidings/parser'
 *
 * const response = await fetch('/api/chat', { method: 'POST', body: 'Hello' })
 * for await (const event of readEvents(response)) show(event.data)
 * ```
 */
export function readEvents<E = ServerSentEvent>(
  source: EventStreamSource,
  options?: EventStreamParserOptions<E>,
): AsyncIterableIterator<E> {
  const parser = new EventStreamParser(options)
  const [read, cancel] = open(source)
  let closed = false
  let reading: Promise<IteratorResult<E>> | undefined

  function close(reason?: unknown): IteratorResult<E> {
    reading = undefined
    if (!closed) {
      closed = true
      cancel(reason)
    }
    return { done: true, value: undefined }
  }

  function fail(error: unknown): IteratorResult<E> {
    // A read that was under way when the reader left.
    if (closed) return close()
    close(error)
    throw error
  }

  /** What there is without another chunk. */
  function parsed(): IteratorResult<E> | undefined {
    const value = parser.next()
    if (value === undefined) return undefined
    reading = undefined
    return { done: false, value }
  }

  function taken({ done, value }: { done?: boolean; value?: Chunk }): IteratorResult<E> | undefined {
    if (closed) return close()
    if (done) parser.end()
    else if (value != null) parser.feed(value)
    return parsed() ?? (done ? close() : undefined)
  }

  // One reaction a chunk, because an async function would cost two more; but what has no event is
  // read in a loop, because promises that wait for each other would pile up.
  const take = (chunk: { done?: boolean; value?: Chunk }) => taken(chunk) ?? takeMore()
  async function takeMore(): Promise<IteratorResult<E>> {
    for (;;) {
      const result = taken(await read())
      if (result) return result
    }
  }

  function next(): Promise<IteratorResult<E>> {
    if (reading) return reading.then(next, next)
    if (closed) return Promise.resolve(close())
    try {
      const result = parsed()
      if (result) return Promise.resolve(result)
      reading = read().then(take).catch(fail)
      return reading
    } catch (error) {
      return Promise.reject(error)
    }
  }

  return {
    next,
    return: async (value) => ({ ...close(value), value }),
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
