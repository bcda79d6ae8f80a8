import { EventStreamParser, type ParserOptions, type ServerSentEvent } from './parser'

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
    const parser = new EventStreamParser(lastEventId, options)
    let failure: unknown
    const { readable, writable } = new TransformStream<Uint8Array | string, ServerSentEvent>({
      transform(chunk, controller) {
        if (failure) throw failure
        const batch: ServerSentEvent[] = []
        try {
          parser.push(chunk, batch)
        } catch (error) {
          // Thrown at the next step: an error would take the events before it out of the queue.
          failure = error
        }
        for (const event of batch) controller.enqueue(event)
        if (batch.length === 0 && failure) throw failure
      },
      flush() {
        if (failure) throw failure
      },
    })
    this.readable = readable
    this.writable = writable
  }
}
