import { EventStreamParser, type ParserOptions, type ServerSentEvent } from './parser'
import { expectNumber } from './validate'

/**
 * Options of {@link EventStreamDecoder}.
 *
 * @example
 * ```ts
 * import { EventStreamDecoder } from 'tidings'
 *
 * const decoder = new EventStreamDecoder({
 *   maxEventSize: 65_536, // UTF-16 code units
 *   onComment: (text) => show('comment:', text),
 * })
 * ```
 */
export interface EventStreamDecoderOptions extends ParserOptions {
  /** The last event ID that the first events carry over. Default: `''`. */
  lastEventId?: string
}

/**
 * A transform stream from bytes (or text) to events, for a body that came some other way.
 *
 * The writable side fails with an `SseError` of code `too-large` over `maxEventSize`.
 *
 * @example
 * ```ts
 * import { EventStreamDecoder } from 'tidings'
 *
 * const { body } = await fetch('/api/feed')
 * if (body) for await (const event of body.pipeThrough(new EventStreamDecoder())) show(event.data)
 * ```
 */
export class EventStreamDecoder {
  /** The events. Read it only as fast as you like: what is not read is not pulled. */
  readonly readable: ReadableStream<ServerSentEvent>
  /** Takes the bytes, or text. */
  readonly writable: WritableStream<Uint8Array | string>

  // Not a subclass of TransformStream: that would need the global when the module is imported.
  /** @throws {RangeError} for a `maxEventSize` that is not a positive number */
  constructor({ lastEventId, ...options }: EventStreamDecoderOptions = {}) {
    expectNumber('maxEventSize', options.maxEventSize, Number.MIN_VALUE)
    const parser = new EventStreamParser(lastEventId, options)
    const { readable: chunks, writable } = new TransformStream<Uint8Array | string>()
    const reader = chunks.getReader()
    let failure: unknown
    this.writable = writable
    // Pulled when all events have been read: an error would take those before it out of the queue.
    this.readable = new ReadableStream<ServerSentEvent>(
      {
        async pull(controller) {
          const batch: ServerSentEvent[] = []
          while (batch.length === 0) {
            if (failure) throw failure
            const { done, value } = await reader.read()
            if (done) return controller.close()
            try {
              parser.push(value, batch)
            } catch (error) {
              failure = error
              reader.cancel(error).catch(() => {})
            }
          }
          for (const event of batch) controller.enqueue(event)
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    )
  }
}
