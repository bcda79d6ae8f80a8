import { SseError } from './errors'
import type { ServerSentEvent } from './parser'
import { Place } from './place'
import type { EventsInput } from './request'
import type { EventSchema, SchemaEvent } from './schema'
import {
  planSession,
  SessionControl,
  type SessionPlan,
  type StreamOptions,
  session,
} from './session'
import { expectNumber } from './validate'

/**
 * Options of {@link events}; everything else of `RequestInit` passes through to `fetch`.
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
export interface EventsOptions<T = string> extends StreamOptions<T> {
  /**
   * After a resume, drops events whose `id` is among this many last delivered ones, for servers
   * that replay around the resume point. Default: 0, off, since some servers give several events
   * one ID.
   */
  dedupe?: number
}

/**
 * Where a stream is in its life: `'idle'` before the first `next()`, `'waiting'` between attempts.
 *
 * @example
 * ```ts
 * import type { EventStreamStatus } from 'tidings'
 *
 * const labels: Record<EventStreamStatus, string> = {
 *   idle: 'Not started',
 *   connecting: 'Connecting',
 *   open: 'Live',
 *   waiting: 'Connection lost, trying again',
 *   closed: 'Closed',
 * }
 * ```
 */
export type EventStreamStatus = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed'

/** Milliseconds, until the server asks for another. */
const RECONNECTION_TIME = 1000

const CLOSED = Symbol('closed')

// WebKit does not have the symbol.
const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for('Symbol.asyncDispose') as typeof Symbol.asyncDispose)

// As RxJS has it: the symbol where a polyfill has made one.
const observable: '@@observable' =
  (Symbol as unknown as { observable?: '@@observable' }).observable ?? '@@observable'

/**
 * Opens an event stream: lazily, so the first request is sent by the first `next()`.
 *
 * @param input - a URL, a `Request`, or a function of the attempt that makes one
 * @throws {TypeError | RangeError} at once, for options that can never work
 * @throws {SseError} from the iteration: what ended the stream, once retries are spent
 * @throws the reason of `options.signal`, from the iteration, once that is aborted
 *
 * @example
 * ```ts
 * import { events } from 'tidings'
 *
 * for await (const event of events('/api/chat', { method: 'POST', json: { question } })) {
 *   show(event.data)
 * }
 * ```
 */
export function events<const S extends EventSchema>(
  input: EventsInput,
  options: EventsOptions & { schema: S },
): EventStream<SchemaEvent<S>>
export function events<T = string>(
  input: EventsInput,
  options?: EventsOptions<T>,
): EventStream<ServerSentEvent<string, T>>
export function events(input: EventsInput, options: EventsOptions<unknown> = {}): EventStream {
  return new EventStream(input, options)
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
  readonly #plan: SessionPlan<unknown>
  readonly #place: Place
  /** Of the last consumer: it is told to stop even before its first `next()`. */
  #control: SessionControl | undefined
  #running = false
  #status: EventStreamStatus = 'idle'
  #response: Response | undefined

  /** @internal */
  constructor(input: EventsInput, { dedupe, ...options }: EventsOptions<unknown>) {
    expectNumber('dedupe', dedupe)
    this.#plan = planSession(input, options)
    this.#place = new Place(options.lastEventId, RECONNECTION_TIME, dedupe)
  }

  /** `'idle'` before the first `next()`, `'waiting'` between attempts, `'closed'` after the end. */
  get status(): EventStreamStatus {
    return this.#status
  }

  /** The last event ID: that of the last event delivered. A new iteration resumes from it. */
  get lastEventId(): string {
    return this.#place.lastEventId
  }

  /** Milliseconds to wait before a reconnect; 1,000 until the server's `retry` changes it. */
  get reconnectionTime(): number {
    return this.#place.reconnectionTime
  }

  /** The response being read, or `undefined`. */
  get response(): Response | undefined {
    return this.#response
  }

  /**
   * Drops the connection, or the wait for the next, and connects now with the last event ID.
   * Events that have come are still delivered. No effect when nothing is running.
   */
  reconnect(): void {
    this.#control?.reconnect()
  }

  /** Ends the stream: a pending `next()` resolves as done, and nothing more is delivered. */
  close(): void {
    this.#status = 'closed'
    this.#control?.stop.abort(CLOSED)
  }

  /**
   * Iterates over the events, one consumer at a time.
   *
   * @throws {TypeError} while another consumer is iterating
   */
  [Symbol.asyncIterator](): AsyncIterator<E, undefined> {
    const control = this.#newControl()
    return new EventIterator(this.#reader(control), control, this.#place)
  }

  /**
   * The same events as arrays, one for each chunk that completed any: the fast lane.
   *
   * @throws {TypeError} while another consumer is iterating
   */
  batches(): AsyncIterable<E[]> {
    return {
      [Symbol.asyncIterator]: () => {
        const control = this.#newControl()
        const reader = this.#reader(control)
        const next = async (): Promise<IteratorResult<E[], undefined>> => {
          for (;;) {
            const value = reader.read && (await reader.read())
            if (value && !control.stop.signal.aborted) {
              for (const event of value) this.#place.deliver(event)
              return { done: false, value }
            }
            if (!(await reader.advance())) return END
          }
        }
        let last: Promise<unknown> = Promise.resolve()
        return {
          next() {
            const reading = last.then(next, next)
            last = reading
            return reading
          },
          return: () => stop(control),
        }
      },
    }
  }

  /**
   * For RxJS's `from()` and its like: each `subscribe` iterates, and `unsubscribe` closes the socket
   * at once. Of a mere async iterable, RxJS would read on.
   */
  [observable](): InteropObservable<E> {
    return {
      subscribe: (observer) => {
        const iterator = this[Symbol.asyncIterator]()
        let closed = false
        const unsubscribe = () => {
          closed = true
          iterator.return?.()
        }
        const pull = async () => {
          try {
            for (;;) {
              const { done, value } = await iterator.next()
              if (closed) return
              if (done) break
              observer.next?.(value)
            }
          } catch (error) {
            if (closed) return
            unsubscribe()
            // Reported as uncaught where nobody listens.
            if (!observer.error) throw error
            return observer.error(error)
          }
          observer.complete?.()
        }
        pull()
        return { unsubscribe }
      },
    }
  }

  /** Closes the stream: `await using` ends it with its block. */
  async [asyncDispose](): Promise<void> {
    this.close()
  }

  #newControl(): SessionControl {
    this.#expectFree()
    this.#control = new SessionControl()
    return this.#control
  }

  #expectFree(): void {
    if (this.#running) {
      throw new TypeError(
        'Expected one consumer at a time, got a second. Close the stream first, or call events() again',
      )
    }
  }

  /** Folds a session, which starts with the first `advance()`, into this object's state. */
  #reader(control: SessionControl): BatchReader<E> {
    const { signal } = control.stop
    const steps = session(this.#plan, this.#place, control)
    let started = false
    const reader: BatchReader<E> = {
      read: undefined,
      advance: async () => {
        if (!started) {
          if (signal.aborted) return false
          this.#expectFree()
          started = true
          this.#control = control
          this.#running = true
          signal.addEventListener('abort', () => {
            this.#running = false
            this.#response = undefined
            this.#status = 'closed'
          })
        }
        reader.read = undefined
        try {
          const { done, value: step } = await steps.next()
          if (done) return false
          if (signal.aborted) return true
          this.#status = step.type
          this.#response = step.type === 'open' ? step.response : undefined
          if (step.type === 'open') reader.read = step.read as BatchReader<E>['read']
          return true
        } catch (error) {
          const over = error === CLOSED || (error instanceof SseError && error.status === 204)
          if (!over) throw error
          return false
        }
      },
    }
    return reader
  }
}

/** A session's events, and what lies between them. */
interface BatchReader<E> {
  /** While a connection is open. */
  read: (() => Promise<E[] | undefined>) | undefined
  /** Goes on to the next step; `false` at the end. */
  advance(): Promise<boolean>
}

type AnyEvent = ServerSentEvent<string, unknown>

/** What an {@link EventStream} is to RxJS. */
interface InteropObservable<E> {
  subscribe(observer: {
    next?: (event: E) => void
    error?: (error: unknown) => void
    complete?: () => void
  }): { unsubscribe(): void }
}

const END = { done: true, value: undefined } as const

/** Hands out a batch one by one. By hand, because a generator costs several times as much an event. */
class EventIterator<E extends AnyEvent> implements AsyncIterator<E, undefined> {
  readonly #reader: BatchReader<E>
  readonly #control: SessionControl
  readonly #place: Place
  #batch: E[] = []
  #index = 0
  /** How many reads are under way: calls that come meanwhile queue up behind the last. */
  #reads = 0
  #last: Promise<unknown> | undefined

  constructor(reader: BatchReader<E>, control: SessionControl, place: Place) {
    this.#reader = reader
    this.#control = control
    this.#place = place
    control.stop.signal.addEventListener('abort', () => {
      this.#batch = []
    })
  }

  next(): Promise<IteratorResult<E, undefined>> {
    if (this.#reads === 0) {
      const event = this.#take()
      if (event) return Promise.resolve({ done: false, value: event })
    }
    const read = () => this.#read()
    const reading = this.#reads++ > 0 && this.#last ? this.#last.then(read, read) : this.#read()
    this.#last = reading
    return reading
  }

  return(): Promise<IteratorResult<never, undefined>> {
    return stop(this.#control)
  }

  async #read(): Promise<IteratorResult<E, undefined>> {
    try {
      for (;;) {
        const event = this.#take()
        if (event) return { done: false, value: event }
        const batch = this.#reader.read && (await this.#reader.read())
        // Closed while the batch was on its way: the end is what is left to tell.
        if (batch && !this.#control.stop.signal.aborted) {
          this.#batch = batch
          this.#index = 0
        } else if (!(await this.#reader.advance())) return END
      }
    } finally {
      this.#reads--
    }
  }

  #take(): E | undefined {
    const event = this.#batch[this.#index]
    if (event) {
      this.#index++
      this.#place.deliver(event)
    }
    return event
  }
}

/** `return()` of the generator would wait for a pending `next()`; an abort settles it. */
async function stop(control: SessionControl): Promise<IteratorResult<never, undefined>> {
  control.stop.abort(CLOSED)
  return END
}
