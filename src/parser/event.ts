/**
 * One event of an event stream: a subset of `MessageEvent`, so a handler takes either.
 *
 * @example
 * ```ts
 * import { events, type ServerSentEvent } from 'tidings'
 *
 * const log = ({ type, data, lastEventId }: ServerSentEvent) => show(type, data, lastEventId)
 * for await (const event of events('/api/feed')) log(event)
 * ```
 */
export interface ServerSentEvent<Type extends string = string, Data = string> {
  /** The `event` field; `'message'` when it is absent or empty. */
  readonly type: Type
  /** The `data` lines joined by LF, as text or as `decode` made of it. */
  readonly data: Data
  /** The stream's last event ID at this event; one without an `id` carries the last one over. */
  readonly lastEventId: string
}

/**
 * An event of any type with any data: what a function that takes every event is written for.
 *
 * @example
 * ```ts
 * import type { AnyEvent } from 'tidings'
 *
 * const log = <E extends AnyEvent>(event: E): E => (show(event.type), event)
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: what `unknown` would do to every reader of `data`
export type AnyEvent = ServerSentEvent<string, any>

/**
 * The events of a map from types to data, as a union that narrows by `type`.
 *
 * @example
 * ```ts
 * import { events, type EventsOf, parseJson } from 'tidings'
 *
 * type Feed = EventsOf<{ price: { bid: number }; chat: string }>
 * for await (const event of events<Feed>('/api/feed', { decode: parseJson })) {
 *   if (event.type === 'price') show(event.data.bid)
 * }
 * ```
 */
export type EventsOf<M extends object> = {
  [K in keyof M & string]: ServerSentEvent<K, M[K]>
}[keyof M & string]
