import type { ServerSentEvent } from './event'
import type { EventStreamChunk, EventStreamParserOptions } from './parser'
import { readEvents } from './read'

declare global {
  // So that the types compile where there are no such types; they add nothing where there are.
  // biome-ignore-start lint/suspicious/noExplicitAny: as in the DOM's own types
  interface ReadableStream<R = any> {}
  interface WritableStream<W = any> {}
  // biome-ignore-end lint/suspicious/noExplicitAny: as in the DOM's own types
}

/**
 * A pair of streams from bytes (or text) to events, for `pipeThrough`. Where you do not need a
 * stream of events, `readEvents` is simpler.
 *
 * When an event is larger than `maxEventSize` (an `SseError` with code `too-large`), or a callback
 * throws, both sides fail, the readable one after all events that came before.
 *
 * @example
 * ```ts
 * import { EventStreamDecoder } from 'tidings/parser'
 *
 * const { body } = await fetch('/api/feed')
 * if (body) for await (const event of body.pipeThrough(new EventStreamDecoder())) show(event.data)
 * ```
 */
export class EventStreamDecoder<E = ServerSentEvent> {
  /**
   * The events. What is not read is not pulled. You can iterate it also where streams cannot be
   * iterated (Safari).
   */
  readonly readable: ReadableStream<E> & AsyncIterable<E>
  /** Takes the bytes, or text. */
  readonly writable: WritableStream<EventStreamChunk>

  // Not a subclass of TransformStream: that would need the global when the module is imported.
  /** @throws {TypeError | RangeError} for options that can never work, in the development build */
  constructor(options?: EventStreamParserOptions<E>) {
    const { readable: chunks, writable } = new TransformStream<EventStreamChunk, EventStreamChunk>()
    const events = readEvents(chunks, options)
    const readable = new ReadableStream<E>(
      {
        pull: (controller) =>
          events.next().then(({ done, value }) => {
            if (done) controller.close()
            else controller.enqueue(value)
          }),
        async cancel(reason) {
          await events.return?.(reason)
        },
      },
      { highWaterMark: 0 },
    )
    if (!(Symbol.asyncIterator in readable)) {
      Object.defineProperty(readable, Symbol.asyncIterator, { value: () => events })
    }
    this.writable = writable
    this.readable = readable as ReadableStream<E> & AsyncIterable<E>
  }
}
