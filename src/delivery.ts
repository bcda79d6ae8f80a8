import { SseError } from './errors'
import type { ServerSentEvent } from './parser'

/** In the types alone, so that `JSON.parse`, whose second parameter this is, can be `decode`. */
type Reviver = NonNullable<Parameters<typeof JSON.parse>[1]>

/** What of the stream reaches the consumer, and in which form. */
export interface DeliveryOptions<T = string> {
  /**
   * The terminal event, by its data or by a test: it completes the stream and is not delivered.
   * A stream that ends before it fails with code `truncated`.
   */
  until?: string | ((event: ServerSentEvent) => boolean)
  /**
   * Makes an event's `data` of its text, `JSON.parse` say. A throw ends the stream with code `data`.
   * Default: the text.
   */
  decode?: (data: string, event: ServerSentEvent & Reviver) => T
}

/** A batch as it is delivered, and what it leads to when it has been. */
export interface Delivery<T> {
  readonly events: ServerSentEvent<string, T>[]
  /** The terminal event came: nothing follows. */
  readonly complete?: boolean
  readonly error?: SseError
}

export function deliver<T>(
  batch: ServerSentEvent[],
  { until, decode }: DeliveryOptions<T>,
): Delivery<T> {
  // Nothing to do is the common case: the batch goes through as it came.
  if (until === undefined && !decode) return { events: batch as ServerSentEvent<string, never>[] }
  const isLast = typeof until === 'function' ? until : ({ data }: ServerSentEvent) => data === until
  const events: ServerSentEvent<string, T>[] = []
  for (const event of batch) {
    if (isLast(event)) return { events, complete: true }
    if (!decode) {
      events.push(event as ServerSentEvent<string, never>)
      continue
    }
    const { type, data, lastEventId } = event
    try {
      events.push({ type, data: decode(data, event as typeof event & Reviver), lastEventId })
    } catch (cause) {
      const message = `decode failed on the data of an event of type ${JSON.stringify(type)}; its error is the cause`
      return { events, error: new SseError('data', message, { cause }) }
    }
  }
  return { events }
}
