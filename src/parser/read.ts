import { kindOf } from '../development/expect'
import type { ServerSentEvent } from './event'
import { type EventStreamChunk, EventStreamParser, type EventStreamParserOptions } from './parser'

/** Node's streams and some HTTP clients give `null` between chunks. */
type Chunk = EventStreamChunk | null | undefined

/** A `ReadableStream`, as far as it is read: so the types need neither lib `dom` nor Node's. */
interface StreamLike {
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: Chunk }>
    cancel(reason?: unknown): Promise<unknown>
  }
}

/**
 * What {@link readEvents} reads: a `Response`, or its body, as a stream or as chunks.
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
  | { readonly body: StreamLike | AsyncIterable<Chunk> | null }
  | StreamLike
  | AsyncIterable<Chunk>
  | (Iterable<Chunk> & object)

/**
 * Reads the events of a response that you already have: a `Response`, a `ReadableStream` of bytes
 * or text, a Node stream, or any iterable of chunks. Chunks are read only when you ask for an event.
 * Leaving the loop cancels the source.
 *
 * Where the source fails, an event is larger than `maxEventSize` (an `SseError` with code
 * `too-large`), or a callback throws, the loop throws after all events that came before.
 *
 * @throws {TypeError} for a stream that is locked, or anything that is not a source
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
  const reader = open(source)
  let closed = false
  /** How many calls of `next()` wait for chunks, and the last of them. */
  let waiting = 0
  let last: Promise<IteratorResult<E, undefined>> | undefined

  async function close(reason: unknown): Promise<void> {
    closed = true
    try {
      await ('read' in reader ? reader.cancel(reason) : reader.return?.())
    } catch {
      // It has failed: then there is nothing to cancel.
    }
  }

  /** Reads until there is an event. */
  async function pull(before: Promise<unknown> | undefined): Promise<IteratorResult<E, undefined>> {
    waiting++
    try {
      if (before) await before
      for (let done: boolean | undefined; ; ) {
        const value = closed ? undefined : parser.next()
        if (value !== undefined) return { done: false, value }
        if (done || closed) {
          closed = true
          return { done: true, value: undefined }
        }
        const chunk = await ('read' in reader ? reader.read() : reader.next())
        done = chunk.done
        if (done) parser.end()
        else if (chunk.value != null) parser.feed(chunk.value)
      }
    } catch (error) {
      if (closed) return { done: true, value: undefined }
      close(error)
      throw error
    } finally {
      waiting--
    }
  }

  return {
    next() {
      // Most events are there already. An async function for each would take twice as long.
      if (!waiting && !closed) {
        try {
          const value = parser.next()
          if (value !== undefined) return Promise.resolve({ done: false, value })
        } catch (error) {
          close(error)
          return Promise.reject(error)
        }
      }
      last = pull(waiting ? last : undefined)
      return last
    },
    return(reason?: unknown) {
      close(reason)
      return Promise.resolve({ done: true, value: undefined })
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function open(
  source: EventStreamSource,
): ReturnType<StreamLike['getReader']> | AsyncIterator<Chunk> | Iterator<Chunk> {
  if (__DEV__ && !isSource(source)) {
    throw new TypeError(`Expected a Response, a stream or chunks, got ${kindOf(source)}`)
  }
  if ('getReader' in source) return source.getReader()
  if (Symbol.asyncIterator in source) return source[Symbol.asyncIterator]()
  if (Symbol.iterator in source) return source[Symbol.iterator]()
  return open(source.body ?? [])
}

function isSource(source: unknown): boolean {
  const members = ['getReader', Symbol.asyncIterator, Symbol.iterator, 'body']
  return typeof source !== 'string' && members.some((member) => member in Object(source))
}
