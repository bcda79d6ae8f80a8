import { SseError } from './errors'
import type { EventStreamStatus, EventsOptions } from './events'
import type { ServerSentEvent } from './parser'
import { Place } from './place'
import type { Attempt, EventsInput } from './request'
import { planSession, SessionControl, type SessionPlan, session } from './session'
import { expectNumber, expectType } from './validate'

/**
 * Any event, whatever its type and data.
 *
 * @example
 * ```ts
 * import type { AnyEvent } from 'tidings/react'
 *
 * const keyOf = ({ type, lastEventId }: AnyEvent) => `${type}:${lastEventId}`
 * ```
 */
export type AnyEvent = ServerSentEvent<string, unknown>

/**
 * A stream as state. Each change makes a new object.
 *
 * @example
 * ```ts
 * import type { AnyEvent, EventsState } from 'tidings/react'
 *
 * const label = ({ status, error }: EventsState<AnyEvent, unknown>) =>
 *   status === 'waiting' ? `Reconnecting: ${error?.message ?? 'the stream ended'}` : status
 * ```
 */
export interface EventsState<E extends AnyEvent, S> {
  /** The last events, oldest first, as many as `limit` says; with `reduce`, what that made of all. */
  readonly events: S
  /** The last event; `undefined` before the first. */
  readonly event: E | undefined
  /** The data of the last event; `undefined` before the first. */
  readonly data: E['data'] | undefined
  /**
   * `'idle'` before the stream is opened, and while there is no input; `'waiting'` between attempts;
   * `'closed'` after its end, after `close()`, and after an error that no retry follows.
   */
  readonly status: EventStreamStatus
  /**
   * What ended the last attempt, also while the next is waited for; `undefined` once a connection
   * is open. An `Error` of another kind is what a callback or the reducer threw: it closes the
   * stream, and the platform reports it as it does any uncaught error.
   */
  readonly error: SseError | Error | undefined
  /** The last event ID: where a new attempt resumes. Default: the option of that name, or `''`. */
  readonly lastEventId: string
}

/**
 * What a component does with a stream.
 *
 * @example
 * ```ts
 * import type { EventsActions } from 'tidings/react'
 *
 * const buttons = ({ open, close, reconnect }: EventsActions) => [
 *   { label: 'Ask again', onClick: open },
 *   { label: 'Stop', onClick: close },
 *   { label: 'Retry', onClick: reconnect },
 * ]
 * ```
 */
export interface EventsActions {
  /**
   * Opens the stream from its start: the state is cleared, and the request is sent without a last
   * event ID but the option's. What was running is closed. No effect while there is no input.
   *
   * @throws {TypeError | RangeError} for options that can never work
   */
  open(): void
  /** Ends the stream and keeps what has come. No effect when nothing is running. */
  close(): void
  /**
   * Connects now and goes on after the last event, whatever the state: it drops the connection or
   * the wait, and reopens a closed stream. No effect while there is no input.
   *
   * @throws {TypeError | RangeError} for options that can never work
   */
  reconnect(): void
}

/**
 * What becomes of the events: a list, or what a reducer makes of them. A reducer that throws ends
 * the stream after the events before; what it threw is the `error`, and is reported as uncaught.
 *
 * @example
 * ```ts
 * import type { ServerSentEvent } from 'tidings'
 * import type { Reduction } from 'tidings/react'
 *
 * const answer: Reduction<ServerSentEvent, string> = {
 *   initial: '',
 *   reduce: (text, { data }) => text + data,
 * }
 * ```
 */
export type Reduction<E extends AnyEvent, S> =
  | {
      /** Makes the next state of the last and an event; it must not change the last. */
      reduce: (state: S, event: E) => S
      /** The state before the first event. */
      initial: S
    }
  | {
      /** Without it the events are a list. */
      reduce?: undefined
      /** Goes with `reduce`. */
      initial?: undefined
    }

/**
 * Options of `useEvents` beside those of `events()`.
 *
 * @example
 * ```ts
 * import type { LiveOptions } from 'tidings/react'
 *
 * const lastTenOnDemand: LiveOptions = { limit: 10, immediate: false }
 * ```
 */
export interface LiveOptions {
  /** How many events `events` keeps, without `reduce`. `Infinity` keeps all. Default: 100. */
  limit?: number
  /** Whether the stream opens by itself, or waits for `open()`. Default: `true`. */
  immediate?: boolean
}

/**
 * Options of `useEvents`: those of `events()`, and what becomes of the events.
 *
 * @example
 * ```ts
 * import type { UseEventsOptions } from 'tidings/react'
 *
 * const options: UseEventsOptions = { limit: 20, headers: { 'x-page': 'prices' } }
 * ```
 */
export type UseEventsOptions<
  E extends AnyEvent = ServerSentEvent,
  S = E[],
  T = string,
> = EventsOptions<T> & LiveOptions & Reduction<E, S>

/**
 * What to open; nothing where it is `null`, `undefined` or `false`.
 *
 * @example
 * ```ts
 * import type { LiveInput } from 'tidings/react'
 *
 * const feedOf = (user: { id: string } | null): LiveInput => user && `/api/feed/${user.id}`
 * ```
 */
export type LiveInput = EventsInput | null | undefined | false

/** The arguments of `useEvents` as they are now. */
export interface LiveRequest {
  readonly input: LiveInput
  readonly options: UseEventsOptions<never, never, unknown>
}

/**
 * What tells one stream from another: the URL, the method and the body, by value. `undefined` where
 * there is nothing to open.
 *
 * Only text has a value to compare: a function or a stream made anew by each render would otherwise
 * make a new connection each time.
 */
export function requestKey({ input, options }: LiveRequest): string | undefined {
  if (input === null || input === undefined || input === false) return undefined
  const { method, body, json } = options
  let url: unknown = input
  if (typeof input === 'object') url = 'href' in input ? input.href : [input.method, input.url]
  const comparable = typeof body === 'string' || body instanceof URLSearchParams
  // A function is left out of JSON.
  return JSON.stringify([url, method, json, comparable ? `${body}` : undefined])
}

/**
 * One stream as state that changes batch by batch. It runs only while someone is subscribed, so a
 * binding has no more to do than to subscribe and to let go.
 */
export class LiveEvents<E extends AnyEvent = AnyEvent, S = unknown> implements EventsActions {
  readonly key: string | undefined
  /** Read for whatever may differ from one attempt to the next; a binding keeps it up to date. */
  latest: LiveRequest
  /** Whether the stream runs while someone is subscribed. */
  wanted: boolean
  #state: EventsState<E, S>
  #place: Place
  #control: SessionControl | undefined
  #listener: (() => void) | undefined
  /** Runs while changes by events wait for their turn. */
  #turn: ReturnType<typeof setTimeout> | undefined
  #late = false

  constructor(key: string | undefined, latest: LiveRequest, wanted: boolean) {
    this.key = key
    this.latest = latest
    this.wanted = wanted && key !== undefined
    this.#place = this.#newPlace()
    this.#state = this.#newState()
  }

  readonly read = (): EventsState<E, S> => this.#state

  /** @throws {TypeError | RangeError} for options that can never work, where the stream is wanted */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listener = listener
    if (this.wanted) this.#run()
    return this.leave
  }

  /** Lets go of the listener and of the stream, also where `subscribe` has thrown. */
  readonly leave = (): void => {
    this.#stop()
    this.#listener = undefined
  }

  readonly open = (): void => {
    if (this.key === undefined) return
    this.#stop()
    this.#place = this.#newPlace()
    this.#state = this.#newState()
    this.#want()
  }

  readonly close = (): void => {
    this.wanted = false
    this.#stop()
  }

  readonly reconnect = (): void => {
    if (this.#control) this.#control.reconnect()
    else if (this.key !== undefined) this.#want()
  }

  #newPlace(): Place {
    const { lastEventId, dedupe } = this.latest.options
    return new Place(lastEventId, undefined, dedupe)
  }

  #newState(): EventsState<E, S> {
    const { reduce, initial } = this.latest.options
    return {
      events: (reduce ? initial : []) as S,
      event: undefined,
      data: undefined,
      status: 'idle',
      error: undefined,
      lastEventId: this.#place.lastEventId,
    }
  }

  #want(): void {
    this.wanted = true
    if (this.#listener) this.#run()
  }

  #run(): void {
    const { input, options } = this.latest
    const { limit, reduce, dedupe } = options
    expectNumber('limit', limit)
    expectNumber('dedupe', dedupe)
    expectType('reduce', reduce, 'function')
    const target =
      typeof input === 'function'
        ? (attempt: Attempt) => (this.latest.input as typeof input)(attempt)
        : (input as EventsInput)
    const plan = planSession(
      target,
      liveOptions(() => this.latest.options),
    )
    const control = new SessionControl()
    this.#control = control
    this.#change({ status: 'connecting' })
    this.#fold(plan, control)
  }

  #stop(): void {
    const control = this.#control
    if (!control) return
    this.#control = undefined
    control.stop.abort()
    this.#change({ status: 'closed' })
  }

  /** Folds a session into the state. */
  async #fold(plan: SessionPlan<unknown>, control: SessionControl): Promise<void> {
    let { error } = this.#state
    let ended: unknown
    const onReconnect: typeof plan.onReconnect = (reconnect) => {
      error = reconnect.error
      plan.onReconnect?.(reconnect)
    }
    try {
      for await (const step of session({ ...plan, onReconnect }, this.#place, control)) {
        if (control.stop.signal.aborted) continue
        if (step.type === 'open') error = undefined
        const { status, error: known } = this.#state
        if (step.type !== status || error !== known) this.#change({ status: step.type, error })
        if (step.type !== 'open') continue
        for (let batch = await step.read(); batch; batch = await step.read()) {
          if (!control.stop.signal.aborted) this.#take(batch as unknown[] as E[], control)
        }
      }
    } catch (thrown) {
      ended = thrown
    }
    if (this.#control !== control) return
    this.#control = undefined
    // The end is the stream's own: who comes back to the component does not start it again.
    this.wanted = false
    const { signal } = plan
    if (signal?.aborted && ended === signal.reason) return this.#change({ status: 'closed' })
    // "No Content" is an end, and no error.
    const failure = ended instanceof SseError && ended.status === 204 ? undefined : ended
    this.#change({ status: 'closed', error: failure as Error | undefined })
    // As the platform reports what nobody catches.
    if (failure && !(failure instanceof SseError)) {
      queueMicrotask(() => {
        throw failure
      })
    }
  }

  /** An event counts as delivered when it is in the state. */
  #take(batch: E[], { stop }: SessionControl): void {
    const place = this.#place
    const { limit = 100, ...options } = this.latest.options
    const reduce = options.reduce as ((state: S, event: E) => S) | undefined
    let { events, event } = this.#state
    let count = 0
    try {
      for (const next of batch) {
        // The reducer has closed the stream.
        if (stop.signal.aborted) break
        if (reduce) events = reduce(events, next)
        event = next
        place.deliver(next)
        count++
      }
    } finally {
      if (!reduce && limit > 0) {
        events = [...(events as E[]), ...batch.slice(0, count)].slice(-limit) as S
      }
      // The reducer may have opened it anew, too.
      if (place === this.#place) this.#change({ events, event, data: event?.data }, true)
    }
  }

  /** Tells the listener, at most once a turn of the event loop where it is by events. */
  #change(change: Partial<EventsState<E, S>>, byEvents = false): void {
    const { lastEventId } = this.#place
    this.#state = { ...this.#state, lastEventId, ...change }
    if (byEvents && this.#turn !== undefined) {
      this.#late = true
      return
    }
    clearTimeout(this.#turn)
    this.#turn = undefined
    this.#late = false
    this.#listener?.()
    if (!byEvents) return
    // Servers write event by event, and chunks that are all there come without a turn between them.
    this.#turn = setTimeout(() => {
      this.#turn = undefined
      if (this.#late) this.#change({}, true)
    })
  }
}

/** They may come and go. */
const OBSERVERS = ['onOpen', 'onReconnect', 'onComment']
/** What a function makes for each attempt, or what is given as it is. */
const MADE = ['headers', 'json', 'body']

/**
 * The options for a session, where the functions and the headers are those of now: a component makes
 * new ones with each render, which must neither reconnect nor be overlooked. What is a function at
 * the opening stays one.
 */
function liveOptions(read: () => LiveRequest['options']): EventsOptions<unknown> {
  const { limit, immediate, reduce, initial, dedupe, ...options } = read()
  const live: Record<string, unknown> = { ...options }
  for (const name of OBSERVERS) live[name] ??= () => {}
  for (const [name, given] of Object.entries(live)) {
    // A schema may be callable.
    if (typeof given !== 'function' || name === 'schema') continue
    live[name] = (...args: unknown[]) => {
      const now: unknown = read()[name as keyof typeof options]
      if (typeof now === 'function') return now(...args)
      if (OBSERVERS.includes(name)) return undefined
      return now !== undefined && MADE.includes(name) ? now : given(...args)
    }
  }
  // Not a function: that would say that a 401 can be answered.
  if (typeof (options.headers ?? {}) === 'object') {
    live.headers = {
      [Symbol.iterator]() {
        const now = read().headers
        const headers = (typeof now === 'function' ? options.headers : now) ?? {}
        const entries = Symbol.iterator in headers ? headers : Object.entries(headers)
        return (entries as Iterable<[string, string]>)[Symbol.iterator]()
      },
    }
  }
  return live
}
