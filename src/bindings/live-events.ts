import { checkHeader, checkUseEvents } from '../development/options'
import { SseError } from '../errors'
import type { EventsOptions } from '../faces/events'
import type { AnyEvent, ServerSentEvent } from '../parser/event'
import { Cursor } from '../session/cursor'
import type { EventFor } from '../session/decode'
import { planStream, type StreamState } from '../session/plan'
import {
  type AnySession,
  type EventStreamStatus,
  Session,
  type SessionPlan,
} from '../session/session'
import { type Attempt, type EventsInput, locate, pairs } from '../transport/request'

/**
 * A stream as state. Each change makes a new object.
 *
 * @example
 * ```ts
 * import type { AnyEvent, EventsState } from 'tidings/react'
 *
 * const label = ({ status, retryAt = 0, failures }: EventsState<AnyEvent, unknown>) =>
 *   status === 'waiting' ? `Try ${failures + 1} at ${new Date(retryAt).toTimeString()}` : status
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
  /** The last event ID, as the standard keeps it. Default: the option of that name, or `''`. */
  readonly lastEventId: string
  /**
   * When the next attempt is due, in milliseconds since 1970; `undefined` unless one is waited for.
   */
  readonly retryAt: number | undefined
  /** How many attempts in a row have failed. */
  readonly failures: number
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
   * @throws {TypeError | RangeError} for options that can never work; then nothing changes
   */
  open(): void
  /** Ends the stream and keeps what has come. No effect when nothing is running. */
  close(): void
  /**
   * Connects now and goes on after the last event, whatever the state: it drops the connection or
   * the wait, and reopens a closed stream. A stream that cannot be resumed begins anew, as by
   * `open()`: one that has delivered an event, by a method that is not safe and without `resume`, or
   * with `until` and without a place. No effect while there is no input.
   *
   * @throws {TypeError | RangeError} for options that can never work; then nothing changes
   */
  reconnect(): void
  /**
   * Says that this attempt has failed: the retry policy is asked when to try again, with an error of
   * code `refused` whose cause is the reason (or with the reason, where that is an `SseError`). A
   * stream that cannot be resumed then begins anew. No effect when nothing is running.
   */
  fail(reason: unknown): void
}

/**
 * What becomes of the events: a list, or what a reducer makes of them. A reducer that throws closes
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
export interface LiveOptions<E extends AnyEvent = ServerSentEvent> {
  /** How many events `events` keeps, without `reduce`. `Infinity` keeps all. Default: 100. */
  limit?: number | undefined
  /** Whether the stream opens by itself, or waits for `open()`. Default: `true`. */
  immediate?: boolean | undefined
  /**
   * Called with each event, in order, also with those that come together and make one change of the
   * state, which follows. A throw closes the stream, and is reported as uncaught.
   */
  onEvent?: ((event: E) => void) | undefined
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
export type UseEventsOptions<T = string, S = EventFor<T>[]> = EventsOptions<T> &
  LiveOptions<EventFor<NoInfer<T>>> &
  Reduction<EventFor<NoInfer<T>>, S>

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
  // biome-ignore lint/suspicious/noExplicitAny: the types are checked where the hook is called
  readonly options: UseEventsOptions<any, any>
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
  const url = typeof input === 'function' ? undefined : `${input}`
  const comparable = typeof body === 'string' || body instanceof URLSearchParams
  // A function is left out of JSON.
  return JSON.stringify([url, method, json, comparable ? `${body}` : undefined])
}

/** Milliseconds, until the server asks for another: as `events()` has it. */
const RECONNECTION_TIME = 1000

/**
 * One stream as state. It runs only while someone is subscribed, so a binding has no more to do than
 * to subscribe and to let go.
 *
 * Whoever hears of a change may make the next one at once: everything is set before anyone is told,
 * and to tell is the last thing done.
 */
export class LiveEvents<E extends AnyEvent = AnyEvent, S = unknown> implements EventsActions {
  readonly key: string | undefined
  /** Read for whatever may differ from one attempt to the next; a binding keeps it up to date. */
  latest: LiveRequest
  /** Whether the stream runs while someone is subscribed. */
  wanted: boolean
  private _state!: EventsState<E, S>
  private _cursor!: Cursor
  /** What a `skip` knows the stream by: another after each new beginning. */
  private _stream!: StreamState
  /** The one that runs, or was the last. */
  private _session: AnySession | undefined
  /** An event has come since the beginning. */
  private _begun = false
  /** The next attempt begins anew. */
  private _anew = false
  private _listener: (() => void) | undefined
  /** While a chunk is being taken: whether a change other than its events is to be told after it. */
  private _held: boolean | undefined
  /** Runs while changes by events wait for their turn. */
  private _turn: ReturnType<typeof setTimeout> | undefined
  private _late = false
  /** The headers as they were given, and what was read of them: an iterator can be read once only. */
  private _given: unknown
  private _pairs: ReturnType<typeof pairs> = []

  constructor(key: string | undefined, latest: LiveRequest, wanted: boolean) {
    this.key = key
    this.latest = latest
    this.wanted = wanted && key !== undefined
    this._begin(new Cursor(latest.options.lastEventId, !!latest.options.cursor))
  }

  readonly read = (): EventsState<E, S> => this._state

  /** @throws {TypeError | RangeError} for options that can never work, where the stream is wanted */
  readonly subscribe = (listener: () => void): (() => void) => {
    this._listener = listener
    if (this.wanted) this._run()
    return this.leave
  }

  /** Lets go of the listener, which is not told, and of the stream. */
  readonly leave = (): void => {
    const { _session: session } = this
    this._listener = undefined
    clearTimeout(this._turn)
    this._turn = undefined
    if (!session || session._over) return
    // Who comes back finds it running again, but no answer is shown, or paid for, twice.
    const wanted = session._repeatable || !session._sent || session.status === 'waiting'
    session.close()
    this.wanted = wanted
  }

  open(): void {
    if (this.key !== undefined) this._run(true)
  }

  close(): void {
    this.wanted = false
    this._session?.close()
  }

  reconnect(): void {
    const { _session: session } = this
    if (session && this._begun && !session._repeatable) this.open()
    else if (session && !session._over) session.reconnect()
    else if (this.key !== undefined) this._run()
  }

  fail(reason: unknown): void {
    const { _session: session } = this
    if (!session || session._over) return
    this._anew = this._begun && !session._repeatable
    session.fail(reason)
  }

  private _begin(cursor: Cursor): void {
    const live = this
    const { reduce, initial } = this.latest.options
    this._begun = this._anew = false
    this._cursor = cursor
    this._stream = {
      get attempt() {
        return live._session?.attempt ?? 0
      },
      get response() {
        return live._session?.response
      },
      get status() {
        return live._state.status
      },
      get lastEventId() {
        return cursor.lastEventId
      },
    }
    this._state = {
      events: (reduce ? initial : []) as S,
      event: undefined,
      data: undefined,
      status: 'idle',
      error: undefined,
      lastEventId: cursor.lastEventId,
      retryAt: undefined,
      failures: 0,
    }
  }

  private _run(anew?: boolean): void {
    const { _session: before } = this
    const { lastEventId, cursor } = this.latest.options
    // What goes on does so by the same plan: that knows where the request went, and what was spent.
    const plan = this._listener && ((!anew && before?._plan) || this._plan())
    this.wanted = true
    if (anew) {
      this._begin(new Cursor(lastEventId, !!cursor))
      this._session = undefined
    }
    if (!plan) return
    const session = new Session<boolean>(plan, this._cursor, this._take, false)
    this._session = session
    // From here on it is nobody's, and what it changes is told to nobody.
    before?.close()
    this._follow(session)
  }

  /** Pulls, as long as this is the stream: what comes is told by `_take` and `_changed`. */
  private async _follow(session: AnySession): Promise<void> {
    try {
      while (session === this._session && (await session.next()));
    } catch {
      // The state has it.
    }
  }

  private readonly _changed = (session: AnySession): void => {
    if (session !== this._session) return
    const { status, retryAt, failures, _over: over } = session
    let error: unknown = session.error
    if (this._anew && status === 'connecting') {
      this._cursor.place = ''
      this._cursor.lastEventId = this.latest.options.lastEventId ?? ''
      this._begin(this._cursor)
    }
    if (over) {
      // The end is the stream's own: who comes back to the component does not start it again.
      this.wanted = false
      if (over.reason === 'failed') {
        error = over.error
        if (!(error instanceof SseError)) report(error)
      } else if (over.reason === 'complete' || over.reason === 'no-content') error = undefined
    }
    this._set({ status, retryAt, failures, error: error as Error | undefined })
    this._tell()
  }

  /** Takes what a chunk has brought. */
  private readonly _take = (session: AnySession): true | undefined => {
    const { _stream: stream } = this
    const { limit = 100, reduce, onEvent } = this.latest.options
    const taken: E[] = []
    let { events, event } = this._state
    this._held = false
    try {
      // A callback may end the stream at every event.
      while (!session._over) {
        const next = session._plan._take(session) as E | undefined
        if (!next) break
        this._begun = true
        try {
          if (reduce) events = reduce(events, next)
          event = next
          taken.push(next)
          onEvent?.(next)
        } catch (thrown) {
          session.close()
          if (session === this._session) this._set({ error: thrown as Error })
          report(thrown)
        }
      }
    } finally {
      // Not where a callback has opened the stream anew.
      if (stream === this._stream && event && taken.length > 0) {
        if (!reduce && limit > 0) events = [...(events as E[]), ...taken].slice(-limit) as S
        this._set({ events, event, data: event.data })
      }
      const held = this._held
      this._held = undefined
      if (held || taken.length > 0) this._tell(!held)
    }
    return taken.length > 0 || undefined
  }

  private _set(change: Partial<EventsState<E, S>>): void {
    this._state = { ...this._state, lastEventId: this._cursor.lastEventId, ...change }
  }

  /** Tells the listener: of events at most once a turn of the event loop, of all else at once. */
  private _tell(byEvents = false): void {
    if (this._held !== undefined) {
      this._held ||= !byEvents
      return
    }
    this._late = byEvents && this._turn !== undefined
    if (this._late) return
    clearTimeout(this._turn)
    this._turn = undefined
    if (byEvents) {
      // Servers write event by event, and chunks that are all there come without a turn between them.
      this._turn = setTimeout(() => {
        this._turn = undefined
        if (this._late) this._tell(true)
      })
    }
    try {
      this._listener?.()
    } catch (thrown) {
      report(thrown)
    }
  }

  /**
   * A plan whose functions and headers are those of now: a component makes new ones with each render,
   * which must neither reconnect nor be overlooked.
   *
   * @throws {TypeError | RangeError} for options that can never work
   */
  private _plan(): SessionPlan {
    const live = this
    const { input, options } = this.latest
    if (__DEV__) checkUseEvents(input, options)
    if (__DEV__ && typeof input !== 'function') locate(input as string, options.fetch)
    const { limit, immediate, reduce, initial, onEvent, ...rest } = options
    const own: Record<string, unknown> = rest
    for (const [name, given] of Object.entries(own)) {
      const first = callable(name, given)
      if (!first) continue
      own[name] = (...args: unknown[]) => {
        if (name === 'skip') args[2] = this._stream
        const now = callable(name, this.latest.options[name as keyof typeof options])
        // Callbacks may go, too; what makes something may not.
        return (now ?? (name === 'onComment' ? undefined : first))?.(...args)
      }
    }
    own.headers = (attempt: Attempt) => {
      const { headers } = this.latest.options
      plan._request._refreshable = refreshable(this.latest)
      if (typeof headers === 'function') return headers(attempt)
      const list = this._headers()
      // What never changes says only where the stream begins.
      return attempt.lastEventId === ''
        ? list
        : list.filter(([name, value]) => value === null || !/^last-event-id$/i.test(name))
    }
    if (__DEV__) for (const [name, value] of this._headers()) checkHeader(name, value)
    const target =
      typeof input === 'function'
        ? (attempt: Attempt) => {
            const now = this.latest.input
            return (typeof now === 'function' ? now : input)(attempt)
          }
        : (input as EventsInput)
    const plan: SessionPlan = {
      ...planStream(target, own as never, RECONNECTION_TIME, this._stream),
      changed: this._changed,
      // These may come and go.
      get onOpen() {
        return live.latest.options.onOpen
      },
      get onReconnect() {
        return live.latest.options.onReconnect
      },
    }
    plan._request._refreshable = refreshable(this.latest)
    return plan
  }

  /** Those that no function makes. */
  private _headers(): ReturnType<typeof pairs> {
    const { headers } = this.latest.options
    if (headers !== this._given) {
      this._given = headers
      this._pairs = typeof headers === 'function' ? [] : pairs(headers)
    }
    return this._pairs
  }
}

/** An option that is a function, or a `decode` that `validated` has made. */
function callable(name: string, given: unknown): ((...args: unknown[]) => unknown) | undefined {
  if (typeof given === 'function') return given as never
  return name === 'decode' ? Object(given).decode?.bind(given) : undefined
}

/** Whether a 401 can be answered by asking a function again. */
function refreshable({ input, options }: LiveRequest): boolean {
  return typeof input === 'function' || typeof options.headers === 'function'
}

/** As the platform reports what nobody catches. */
function report(thrown: unknown): void {
  queueMicrotask(() => {
    throw thrown
  })
}
