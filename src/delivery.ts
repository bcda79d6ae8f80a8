import { SseError } from './errors'
import type { ServerSentEvent } from './parser'
import { type EventSchema, type InvalidEvent, validate } from './schema'

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
  /**
   * Parses every event's data as JSON and validates it: one Standard Schema (zod, valibot, …) for
   * all events, or one for each type, where events of other types are left out. Not together with
   * `decode`.
   */
  schema?: EventSchema
  /**
   * What data that does not fit the schema leads to: an error of code `data` whose cause has the
   * issues, or nothing, where the event is left out. Default: `'throw'`.
   */
  onInvalid?: 'throw' | 'skip'
}

/** A batch as it is delivered, and what it leads to when it has been. */
export interface Delivery<T> {
  readonly events: ServerSentEvent<string, T>[]
  /** The terminal event came: nothing follows. */
  readonly complete?: boolean
  readonly failure?: SseError
}

/**
 * Whatever fails fails after the events before it.
 *
 * @param seen - how many events of the connection came before the batch
 */
export async function deliver<T>(
  batch: ServerSentEvent[],
  { until, decode, schema, onInvalid }: DeliveryOptions<T>,
  seen: number,
): Promise<Delivery<T>> {
  const events: ServerSentEvent<string, T>[] = []
  for (const event of batch) {
    seen++
    const { type, data, lastEventId } = event
    try {
      if (typeof until === 'function' ? until(event) : data === until) {
        return { events, complete: true }
      }
      let value: unknown = decode ? decode(data, event as typeof event & Reviver) : data
      if (schema) {
        const result = await validate(event, schema)
        if (!result || (result.issues && onInvalid === 'skip')) continue
        if (result.issues) {
          const invalid: InvalidEvent = { issues: result.issues, event, position: seen }
          throw invalid
        }
        value = result.value
      }
      events.push({ type, data: value as T, lastEventId })
    } catch (cause) {
      const message = `Expected data that until, decode or schema takes, got other in event ${seen}, of type ${JSON.stringify(type)}; the cause says why`
      return { events, failure: new SseError('data', message, { cause }) }
    }
  }
  return { events }
}
