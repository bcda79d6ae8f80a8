import { checkEvents } from '../development/options'
import type { AnyEvent, ServerSentEvent } from '../parser/event'
import type { FetchResponse } from '../platform'
import { Cursor } from '../session/cursor'
import type { Decode, Decoder, EventFor } from '../session/decode'
import { planStream, type StreamOptions } from '../session/plan'
import {
  type AnySession,
  type EventStreamStatus,
  Session,
  type SessionPlan,
} from '../session/session'
import { type EventsInput, locate } from '../transport/request'

/**
 * Options of {@link events}; everything else of `RequestInit` passes through to `fetch`.
 *
 * @interface
 *
 * @example
 * ```ts
 * import { events, type EventsOptions } from 'tidings'
 *
 * const options: EventsOptions = {
 *   headers: async () => ({ Authorization: `Bearer ${await freshToken()}` }),
 *   idleTimeout: 45_000, // The server sends a comment every 15 s.
 *   retry: { maxRetries: 10 },
 * }
 * for await (const event of events('/api/feed', options)) show(event.data)
 * ```
 */
export type EventsOptions<T = string> = StreamOptions<EventFor<NoInfer<T>>> &
  ([string] extends [T]
    ? {
        /** Makes the `data` of each event; `undefined` leaves the event out. Default: the text. */
        decode?: Decode<T> | undefined
      }
    : { decode: Decode<T> })

/** Milliseconds, until the server asks for another. */
const RECONNECTION_TIME = 1000

// WebKit does not have the symbol.
const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for('Symbol.asyncDispose') as typeof Symbol.asyncDispose)

/**
 * Opens an event stream: lazily, so the first request is sent by the first `next()`.
 *
 * @param input - a URL, or a function of the attempt that makes one
 * @throws {TypeError | RangeError} at once, for options that can never work (development build)
 * @throws {SseError} from the iteration: what ended the stream, once retries are spent
 * @throws the reason of `options.signal`, from the iteration, once that is aborted
 *
 * @example
 * ```ts
 * import { events } from 'tidings'
 *
 * for await (const event of events('/api/chat', { json: { question }, until: '[DONE]' })) {
 *   show(event.data)
 * }
 * ```
 */
export function events<T>(
  input: EventsInput,
  options: StreamOptions<EventFor<NoInfer<T>>> & { decode: Decode<T> | Decoder<T> },
): EventStream<EventFor<T>>
export function events<T extends string = string>(
  input: EventsInput,
  options?: EventsOptions<T>,
): EventStream<EventFor<T>>
export function events(input: EventsInput, options: StreamOptions<never> = {}): EventStream<never> {
  return new EventStream(input, options)
}

/**
 * Iterates over a stream: iterable itself, so that what is left of a loop can go on elsewhere.
 *
 * @example
 * ```ts
 * import { type EventStreamIterator, events, type ServerSentEvent } from 'tidings'
 *
 * const reading: EventStreamIterator<ServerSentEvent> = events('/api/feed')[Symbol.asyncIterator]()
 * const { value: greeting } = await reading.next()
 * show(greeting?.data)
 * for await (const event of reading) show(event.data)
 * ```
 */
export interface EventStreamIterator<E> extends AsyncIterator<E, undefined, undefined> {
  /** Resolves with the next event, or array of events; after the end with `done`. */
  next(): Promise<IteratorResult<E, undefined>>
  /** Closes the stream. */
  return(): Promise<IteratorResult<E, undefined>>
  /** Itself. */
  [Symbol.asyncIterator](): EventStreamIterator<E>
}

/**
 * A stream of events: what {@link events} returns.
 *
 * @example
 * ```ts
 * import { type EventStream, events } from 'tidings'
 *
 * const feed: EventStream = events('/api/feed')
 * setTimeout(() => feed.close(), 60_000)
 * for await (const event of feed) show(feed.status, event.data)
 * ```
 */
export class EventStream<E extends AnyEvent = ServerSentEvent>
  implements AsyncIterable<E>, AsyncDisposable
{
  // Private to the letter: printing a stream must not show its headers.
  readonly #plan: SessionPlan
  readonly #cursor: Cursor
  /** The one that runs, or was the last. */
  #session: AnySession | undefined

  /** @internal */
  constructor(input: EventsInput, options: StreamOptions<never>) {
    if (__DEV__) checkEvents(input, options)
    if (__DEV__ && typeof input !== 'function') locate(input, options.fetch)
    this.#cursor = new Cursor(options.lastEventId, !!options.cursor)
    this.#plan = planStream(input, options, RECONNECTION_TIME, this as never)
  }

  /** `'idle'` before the first `next()`, `'waiting'` between attempts, `'closed'` after the end. */
  get status(): EventStreamStatus {
    return this.#session?.status ?? 'idle'
  }

  /** When the next attempt is due, in milliseconds since 1970; `undefined` unless it waits for a time. */
  get retryAt(): number | undefined {
    return this.#session?.retryAt
  }

  /** How many attempts in a row have ended without progress. */
  get failures(): number {
    return this.#session?.failures ?? 0
  }

  /** The number of the attempt that runs, or of the last one; 0 before the first. */
  get attempt(): number {
    return this.#session?.attempt ?? 0
  }

  /** The last event ID: that of the last event delivered. */
  get lastEventId(): string {
    return this.#cursor.lastEventId
  }

  /**
   * Where the stream goes on, also in a new iteration: the last event ID, or what the `cursor` option
   * made of the last event. Set it to go on from elsewhere at the next attempt; `''` is the start.
   */
  get cursor(): string {
    return this.#cursor.place
  }

  set cursor(place: string | number) {
    this.#cursor.place = place
    const parser = this.#session?._parser
    if (parser) parser.lastEventId = this.#cursor.lastEventId
  }

  /** Milliseconds to wait before a reconnect; 1,000 until the server's `retry` changes it. */
  get reconnectionTime(): number {
    return this.#cursor._asked ?? this.#plan.reconnectionTime
  }

  /** The response being read, or `undefined`. */
  get response(): FetchResponse | undefined {
    return this.#session?.response
  }

  /**
   * Drops the connection, or the wait for the next, and connects now, with its place. Events that
   * have come are still delivered. It is your word that the request may be repeated. No effect when
   * nothing is running; what is passed is ignored, so it can be put straight on a button.
   */
  reconnect(): void {
    this.#session?.reconnect()
  }

  /**
   * Says that this attempt has failed: the retry policy is asked when to try again, with an error of
   * code `refused` whose cause is the reason (or with the reason, where that is an `SseError`). It is
   * your word that the request may be repeated. No effect when nothing is running.
   */
  fail(reason: unknown): void {
    this.#session?.fail(reason)
  }

  /** Ends the stream: a pending `next()` resolves as done, and nothing more is delivered. */
  close(): void {
    if (!this.#session) this[Symbol.asyncIterator]()
    this.#session?.close()
  }

  /**
   * Iterates over the events, one consumer at a time. After the end, a new iteration goes on from the
   * cursor.
   *
   * @throws {TypeError} while another consumer is iterating
   */
  [Symbol.asyncIterator](): EventStreamIterator<E> {
    const { _take: take } = this.#plan
    return this.#iterate((session) => {
      const value = take(session)
      return value && { done: false, value: value as E }
    })
  }

  /**
   * The same events as arrays, one for each chunk that completed any: the fast lane.
   *
   * @throws {TypeError} while another consumer is iterating
   */
  batches(): EventStreamIterator<E[]> {
    const { _take: take } = this.#plan
    return this.#iterate((session) => {
      const value: E[] = []
      try {
        for (let event = take(session); event; event = take(session)) value.push(event as E)
      } catch (thrown) {
        // The events before the one that fails come first.
        if (value.length === 0) throw thrown
        session._hold(thrown)
      }
      return value.length > 0 ? { done: false, value } : undefined
    })
  }

  /** Closes the stream: `await using` ends it with its block. */
  async [asyncDispose](): Promise<void> {
    this.close()
  }

  #iterate<V>(
    hand: (session: AnySession) => IteratorResult<V, undefined> | undefined,
  ): EventStreamIterator<V> {
    const session = new Session(this.#plan, this.#cursor, hand, END as IteratorResult<V, undefined>)
    this.#claim(session)
    return {
      next: () => {
        if (this.#session !== session && !session._over) {
          try {
            this.#claim(session)
          } catch (refused) {
            return Promise.reject(refused)
          }
        }
        return session.next()
      },
      return: async () => {
        session.close()
        return END
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  #claim(session: AnySession): void {
    const running = this.#session
    if (running && running.status !== 'idle' && !running._over) {
      throw new TypeError(
        __DEV__
          ? 'Expected one consumer at a time, got a second. Close the stream first, or call events() again'
          : 'Second consumer',
      )
    }
    this.#session = session
  }
}

const END = { done: true, value: undefined } as const
