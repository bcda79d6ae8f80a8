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
  readonly error?: SseError
}

/** @param seen - how many events of the connection came before the batch */
export function deliver<T>(
  batch: ServerSentEvent[],
  options: DeliveryOptions<T>,
  seen: number,
): Delivery<T> | Promise<Delivery<T>> {
  const { until, decode, schema } = options
  if (schema) return deliverValid(batch, options, seen)
  // Nothing to do is the common case: the batch goes through as it came.
  if (until === undefined && !decode) return { events: batch as ServerSentEvent<string, never>[] }
  const events: ServerSentEvent<string, T>[] = []
  for (const event of batch) {
    if (isLast(event, until)) return { events, complete: true }
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

async function deliverValid<T>(
  batch: ServerSentEvent[],
  { until, schema, onInvalid }: DeliveryOptions<T>,
  seen: number,
): Promise<Delivery<T>> {
  const events: ServerSentEvent<string, T>[] = []
  for (const [index, event] of batch.entries()) {
    if (isLast(event, until)) return { events, complete: true }
    const { type, lastEventId } = event
    const result = await validate(event, schema as EventSchema)
    if (!result) continue
    if (!result.issues) {
      events.push({ type, data: result.value as T, lastEventId })
    } else if (onInvalid !== 'skip') {
      const { issues } = result
      const position = seen + index + 1
      const message = `Expected data that fits the schema in event ${position}, of type ${JSON.stringify(type)}, got other: ${issues[0]?.message}`
      const cause: InvalidEvent = { issues, event, position }
      return { events, error: new SseError('data', message, { cause }) }
    }
  }
  return { events }
}

function isLast(event: ServerSentEvent, until: DeliveryOptions['until']): boolean {
  return typeof until === 'function' ? until(event) : event.data === until
}
