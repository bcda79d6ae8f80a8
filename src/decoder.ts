import { EventStreamParser, type ParserOptions, type ServerSentEvent } from './parser'
import { expectNumber } from './validate'

/** Options of {@link EventStreamDecoder}. */
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
 * const response = await fetch('/api/feed')
 * for await (const event of response.body.pipeThrough(new EventStreamDecoder())) show(event.data)
 * ```
 */
export class EventStreamDecoder {
  readonly readable: ReadableStream<ServerSentEvent>
  readonly writable: WritableStream<Uint8Array | string>

  // Not a subclass of TransformStream: that would need the global when the module is imported.
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
