import { SseError } from '../errors'
import type { AnyEvent, ServerSentEvent } from '../parser/event'
import type { Awaitable } from '../platform'
import type { AnySession } from './session'

/** In the types alone, so that `JSON.parse`, whose second parameter this is, can be `decode`. */
type Reviver = NonNullable<Parameters<typeof JSON.parse>[1]>

/**
 * The events of a type argument: one that is an event (or a union of them) is taken as it is; any
 * other types `data`.
 *
 * @example
 * ```ts
 * import type { EventFor, EventsOf } from 'tidings'
 *
 * const price: EventFor<number> = { type: 'message', data: 1, lastEventId: '' }
 * const chat: EventFor<EventsOf<{ chat: string }>> = { type: 'chat', data: 'hi', lastEventId: '' }
 * ```
 */
export type EventFor<T> = 0 extends 1 & T
  ? // biome-ignore lint/suspicious/noExplicitAny: what was asked for
    ServerSentEvent<string, any>
  : [T] extends [never]
    ? never
    : [T] extends [AnyEvent]
      ? T
      : ServerSentEvent<string, T>

type DataOf<T> = EventFor<T> extends infer E extends AnyEvent ? E['data'] : never

/**
 * Makes an event's `data` of its text, now or by a promise; `undefined` leaves the event out.
 *
 * @example
 * ```ts
 * import { type Decode, events } from 'tidings'
 *
 * const decode: Decode<number> = (data) => (data === '' ? undefined : Number(data))
 * for await (const { data } of events('/api/price', { decode })) show(data.toFixed(2))
 * ```
 */
export type Decode<T> = (
  data: string,
  event: ServerSentEvent & Reviver,
) => Awaitable<T | NoInfer<DataOf<T>> | undefined>

/**
 * A `decode` that knows its events: what `validated` makes.
 *
 * @example
 * ```ts
 * import { type Decoder, events, type ServerSentEvent, validated } from 'tidings'
 * import { z } from 'zod'
 *
 * const decode: Decoder<ServerSentEvent<string, number>> = validated(z.number())
 * for await (const { data } of events('/api/price', { decode })) show(data.toFixed(2))
 * ```
 */
export interface Decoder<E> {
  /** Makes the data of an event; `undefined` leaves it out. */
  readonly decode: (data: string, event: ServerSentEvent) => Awaitable<unknown>
  /** For the types alone; no value has it. */
  readonly '~events'?: { readonly event: E } | undefined
}

/** What looks at the events. `NoInfer`: `decode` alone says what `data` is. */
export interface WatchingOptions<E> {
  /**
   * What ends the stream, as complete. A text: compared with the data as it came, and not delivered.
   * `{ type }`: compared with the type, before `decode`, and delivered. A function: sees each
   * delivered event, the last one included. A stream that ends before it is `truncated`.
   */
  until?: string | { readonly type: string } | ((event: E) => boolean) | undefined
  /**
   * Where to go on after a delivered event, such as a number in its data; `undefined` leaves the
   * cursor where it is. Default: the last event ID is the cursor.
   */
  cursor?: ((event: E) => string | number | undefined) | undefined
}

/** Hands over the next event that was read: counts it, and moves the cursor. */
export type Take = (session: AnySession) => AnyEvent | undefined

/** Nothing to do with the events is the common case: they go through as they came. */
export function plainTake(session: AnySession): ServerSentEvent | undefined {
  const event = session._parser?.next()
  // A comment's observer may have stopped it.
  if (event === undefined || session._over) return undefined
  session._deliver(event)
  return event
}

/** What takes events, with the options that look at them. */
export interface Taking {
  readonly _take: Take
  /** Whether the unfinished last block of a body is the terminal event. */
  readonly ends: (event: ServerSentEvent, lineEnded: boolean) => Awaitable<boolean>
}

/**
 * With the options that look at events. An event that one of them throws on has been delivered, to
 * the error: a new iteration goes on after it.
 *
 * @param skip - given an event and its block's own `id`, whether to pass the event over
 */
export function takeWith(
  {
    until,
    cursor,
    decode: given,
  }: WatchingOptions<AnyEvent> & { decode?: Decode<never> | Decoder<never> | undefined },
  skip: ((event: ServerSentEvent, id: string | undefined) => boolean) | undefined,
): Taking {
  const decode = (typeof given === 'object' ? given.decode.bind(given) : given) as
    | Decode<unknown>
    | undefined
  const terminal = typeof until === 'object' ? until.type : undefined

  const asDecoded = ({ type, lastEventId }: ServerSentEvent, data: unknown): AnyEvent => ({
    type,
    data,
    lastEventId,
  })

  const take: Take = (session) => {
    while (!session._complete && !session._over) {
      const { _parser: parser, _decoded: decoded } = session
      session._decoded = undefined
      const raw = decoded ? decoded.raw : parser?.next()
      if (!parser || raw === undefined || session._over) return undefined
      try {
        let data: unknown = raw.data
        if (decoded) data = decoded.data()
        else {
          if (skip?.(raw, parser._id)) {
            parser.lastEventId = session._cursor.lastEventId
            continue
          }
          if (session._over) return undefined
          if (data === until) {
            session._complete = true
            return undefined
          }
          if (decode) data = decode(raw.data, raw as Parameters<typeof decode>[1])
          if (isPromise(data)) {
            const settled = (data: () => unknown) => {
              session._decoded = { raw, data }
            }
            session._decoding = Promise.resolve(data).then(
              (data) => settled(() => data),
              (cause) =>
                settled(() => {
                  throw cause
                }),
            )
            return undefined
          }
        }
        if (session._over) return undefined
        if (raw.type === terminal) session._complete = true
        if (data === undefined) {
          session._deliver(raw, undefined, true)
          continue
        }
        const event = decode ? asDecoded(raw, data) : raw
        const ends = typeof until === 'function' && until(event)
        const place = cursor?.(event)
        if (session._over) return undefined
        session._deliver(raw, place)
        session._complete ||= ends
        return event
      } catch (cause) {
        // It has been delivered, to the error.
        session._complete = false
        session._deliver(raw)
        throw new SseError(
          'data',
          __DEV__ &&
            `decode, until, cursor or skip threw on an event of type ${JSON.stringify(raw.type)}. The event is error.event, what was thrown is error.cause`,
          { cause, event: raw },
        )
      }
    }
    return undefined
  }

  return {
    _take: take,
    async ends(raw, lineEnded) {
      if (typeof until === 'string') return raw.data === until
      if (!lineEnded || typeof until !== 'function') return lineEnded && raw.type === terminal
      try {
        const data = decode ? await decode(raw.data, raw as never) : raw.data
        return data !== undefined && until(asDecoded(raw, data))
      } catch {
        // What is cut cannot be decoded.
        return false
      }
    },
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function'
}
