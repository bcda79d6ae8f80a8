import { ignore } from '../abort'
import { checkEventSource } from '../development/options'
import { originOf, SseError, type SseErrorCode } from '../errors'
import type { AnyEvent } from '../parser/event'
import type {
  Awaitable,
  DomEvent,
  DomEventTarget,
  DomListener,
  DomListenerOptions,
  DomMessageEvent,
  FetchResponse,
  FetchUrl,
} from '../platform'
import { Cursor } from '../session/cursor'
import type { Decode, Decoder } from '../session/decode'
import { planStream, type StreamOptions } from '../session/plan'
import { decide } from '../session/retry'
import {
  type AnySession,
  type EventStreamStatus,
  Session,
  type SessionPlan,
} from '../session/session'
import { baseUrl, type EventsInput, pairs, type RequestOptions } from '../transport/request'
import { messageEvent } from './message-event'
import { type SendInit, send } from './send'

/**
 * What `new EventSource(url, init)` takes: the options of `events`, and the standard's
 * `withCredentials` in place of `credentials` and `mode`.
 *
 * @example
 * ```ts
 * import { EventSource, type EventSourceInit } from 'tidings'
 *
 * const init: EventSourceInit = {
 *   headers: async () => ({ Authorization: `Bearer ${await freshToken()}` }),
 *   sendUrl: '/api/say',
 *   retry: {}, // The policy of events(), in place of the standard's.
 * }
 * const source = new EventSource('/api/feed', init)
 * ```
 */
export interface EventSourceInit
  extends Omit<StreamOptions<AnyEvent>, 'accept' | 'credentials' | 'mode' | 'window'> {
  /** Sends cookies to another origin too. Default: `false`. */
  withCredentials?: boolean | undefined
  /** Where {@link EventSource.send} posts to. Default: the stream's own URL. */
  sendUrl?: string | FetchUrl | undefined
  /** Makes the `data` of each event; `undefined` leaves the event out. Default: the text. */
  // biome-ignore lint/suspicious/noExplicitAny: as the DOM types `data`
  decode?: Decode<any> | Decoder<any> | undefined
}

/**
 * The `error` event: what the native class keeps to itself.
 *
 * @example
 * ```ts
 * import { EventSource } from 'tidings'
 *
 * const source = new EventSource('/api/feed')
 * source.addEventListener('error', ({ code, status, message }) => {
 *   show(source.status === 'waiting' ? 'Trying again:' : 'The end:', code, status, message)
 * })
 * ```
 */
export interface SseErrorEvent extends DomEvent {
  /** What went wrong; `undefined` where the stream ended without an error. */
  readonly error: SseError | Error | undefined
  /** What was expected, and what came. */
  readonly message: string
  /** The status that was refused, as in the `eventsource` package; else the error's code. */
  readonly code: number | SseErrorCode | undefined
  /** The status of the response, where one was refused; a lost connection has none. */
  readonly status: number | undefined
}

/**
 * The `open` event.
 *
 * @example
 * ```ts
 * import { EventSource } from 'tidings'
 *
 * const source = new EventSource('/api/feed')
 * source.addEventListener('open', ({ response }) => show(response.headers.get('x-served-by')))
 * ```
 */
export interface OpenEvent extends DomEvent {
  /** The response; its body is being read. */
  readonly response: FetchResponse
}

/**
 * The events that every source fires, beside those the server names.
 *
 * @example
 * ```ts
 * import { EventSource, type EventSourceEventMap } from 'tidings'
 *
 * const log = (event: EventSourceEventMap['open' | 'error']) => show(event.type)
 * const source = new EventSource('/api/feed')
 * source.addEventListener('open', log)
 * source.addEventListener('error', log)
 * ```
 */
export interface EventSourceEventMap {
  /** A response has come, and is a stream. */
  open: OpenEvent
  /** An event that the server gave no other type. */
  message: DomMessageEvent
  /** The connection is lost, or the stream is over: `status` of the source says which. */
  error: SseErrorEvent
}

type Handler<E> = ((this: EventSource, event: E) => unknown) | null

// What is read is less exact than what is set, or the class would not be the DOM's to TypeScript:
// whoever takes that for an EventSource may call its handlers with plain events.
// biome-ignore lint/suspicious/noExplicitAny: as in the DOM's own types
type AnyHandler = ((this: any, event: any) => unknown) | null

/**
 * The `EventSource` of the WHATWG standard, over `fetch`: with headers, any method, and errors that
 * say what happened.
 *
 * By default it retries as the standard says: a network error or the end of the stream reconnects
 * after the reconnection time; any status but 200 and any content type but `text/event-stream` is
 * fatal. Pass `retry` to retry more.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#the-eventsource-interface
 *
 * @example
 * ```ts
 * import { EventSource } from 'tidings'
 *
 * const source = new EventSource('/api/prices', { headers: { Authorization: `Bearer ${token}` } })
 * source.addEventListener('price', (event) => show(event.data))
 * ```
 */
export interface EventSource extends DomEventTarget {
  /** The `readyState` while connecting, or waiting to. */
  readonly CONNECTING: 0
  /** The `readyState` while events may come. */
  readonly OPEN: 1
  /** The `readyState` after the end. */
  readonly CLOSED: 2
  /** The absolute URL of the stream; of a function's, the last that it has made, and `''` before. */
  readonly url: string
  /** Whether cookies go to another origin too. Default: `false`. */
  readonly withCredentials: boolean
  /** 0 while connecting or waiting to, 1 while open, 2 when closed. */
  readonly readyState: 0 | 1 | 2
  /** As {@link readyState}, telling `'connecting'` from `'waiting'`. */
  readonly status: Exclude<EventStreamStatus, 'idle'>
  /** When the next attempt is due, in milliseconds since 1970; `undefined` unless it waits for a time. */
  readonly retryAt: number | undefined
  /** How many attempts in a row have ended without progress. */
  readonly failures: number
  /**
   * The last event ID: that of the last event dispatched. Set it to go on from elsewhere at the next
   * attempt; `''` is the start.
   */
  lastEventId: string
  /** Milliseconds to wait before a reconnect; 3,000 until the server's `retry` changes it. */
  readonly reconnectionTime: number
  /** Called with the `open` event; anything but a function or an object is `null`. Default: `null`. */
  get onopen(): AnyHandler
  set onopen(handler: Handler<OpenEvent>)
  /** Called with events of type `message`: those that the server gave no type. Default: `null`. */
  get onmessage(): AnyHandler
  set onmessage(handler: Handler<DomMessageEvent>)
  /** Called with the `error` event. Default: `null`. */
  get onerror(): AnyHandler
  set onerror(handler: Handler<SseErrorEvent>)
  /** Ends the stream. No event follows, not even one that has come already. */
  close(): void
  /**
   * Connects now with the last event ID, from any state: it drops the connection or the wait, and
   * reopens a closed source. It is your word that the request may be repeated. What is passed is
   * ignored, so it can be put straight on a button.
   */
  reconnect(): void
  /**
   * Says that this attempt has failed: the source waits and connects again, after an `error` event of
   * code `refused` whose error has the reason as its cause (or is the reason, where that is an
   * `SseError`). It is your word that the request may be repeated. No effect when closed.
   */
  fail(reason: unknown): void
  /**
   * Posts an event to the server beside the stream: `{"type", "data"}` as JSON to `sendUrl`, or to
   * the stream's URL, with the stream's headers and credentials.
   *
   * @throws {SseError} `status` on anything but a 2xx; `network`, `redirect`, `auth`
   */
  send(type: string, data: unknown, init?: SendInit): Promise<FetchResponse>
  /** Closes the source: `using` ends it with its block. */
  [Symbol.dispose](): void
  /** Listens for `open`, `message` or `error`. */
  addEventListener<K extends keyof EventSourceEventMap>(
    type: K,
    listener: (this: EventSource, event: EventSourceEventMap[K]) => unknown,
    options?: DomListenerOptions,
  ): void
  /** Listens for the events that the server gave this type. */
  addEventListener(
    type: string,
    listener: (this: EventSource, event: DomMessageEvent) => unknown,
    options?: DomListenerOptions,
  ): void
  /** As the DOM's own. */
  addEventListener(type: string, listener: DomListener, options?: DomListenerOptions): void
  /** Takes back what `addEventListener` was given. */
  removeEventListener<K extends keyof EventSourceEventMap>(
    type: K,
    listener: (this: EventSource, event: EventSourceEventMap[K]) => unknown,
    options?: DomListenerOptions,
  ): void
  /** Takes back what `addEventListener` was given. */
  removeEventListener(
    type: string,
    listener: (this: EventSource, event: DomMessageEvent) => unknown,
    options?: DomListenerOptions,
  ): void
  /** As the DOM's own. */
  removeEventListener(type: string, listener: DomListener, options?: DomListenerOptions): void
}

/** Milliseconds: what the standard calls "a few seconds", and what browsers use. */
const RECONNECTION_TIME = 3000

/** Where there is none, the class can be imported all the same. */
const Target = /* @__PURE__ */ (() => globalThis.EventTarget ?? Object)() as new () => EventTarget

class Source extends Target {
  #url = ''
  readonly #options: RequestOptions
  readonly #sendUrl: EventsInput
  /** The one that runs, or was the last. */
  #session!: AnySession
  /** Where the events come from. */
  #origin = ''
  /** The values of the `on` attributes, by the events' types. */
  readonly #handlers: Record<string, AnyHandler> = { open: null, message: null, error: null }
  readonly #callHandler = (event: Event): void => {
    const handler = this.#handlers[event.type]
    if (typeof handler === 'function' && handler.call(this, event) === false) event.preventDefault()
  }

  constructor(url: EventsInput, init: EventSourceInit | null = {}) {
    super()
    // biome-ignore lint/complexity/noArguments: a default or a rest would change the length, 1
    if (arguments.length === 0) {
      throw new TypeError(__DEV__ ? 'Expected a URL, got no argument' : 'No URL')
    }
    const given = typeof url === 'function' ? url : `${url}`
    // As WebIDL has it for a dictionary.
    if (init !== null && Object(init) !== init) {
      throw new TypeError(
        __DEV__ ? `Expected init to be an object, got ${typeof init}` : 'No object',
      )
    }
    const { withCredentials, sendUrl, ...options } = init ?? {}
    if (__DEV__) checkEventSource(url, { ...options, sendUrl })
    // An iterator can be read once only, and `send` needs the headers too.
    if (typeof options.headers !== 'function') options.headers = pairs(options.headers)
    const requests: RequestOptions = options
    if (withCredentials) requests.credentials = 'include'
    this.#options = requests
    this.#sendUrl = sendUrl ?? given
    let input: EventsInput
    if (typeof given === 'string') {
      input = this.#url = absolute(given)
      if (!input) {
        const message = __DEV__ ? 'Expected a URL that can be parsed' : 'Invalid URL'
        throw new DOMException(message, 'SyntaxError')
      }
    } else {
      input = async (attempt) => {
        const made = `${await given(attempt)}`
        this.#url = absolute(made) || made
        return this.#url
      }
    }
    const cursor = new Cursor(options.lastEventId, !!options.cursor)
    const self = this
    const plan = planStream(input, options as StreamOptions<never>, RECONNECTION_TIME, {
      get attempt() {
        return self.#session.attempt
      },
      get response() {
        return self.#session.response
      },
      get status() {
        return self.status
      },
      get lastEventId() {
        return self.lastEventId
      },
    })
    this.#run(
      {
        ...plan,
        statuses: /^200$/,
        changed: (session) => this.#tell(session),
        ...(options.retry === undefined && {
          fetch: options.fetch ?? pageFetch(cursor),
          _decide: decideByStandard,
        }),
      },
      cursor,
    )
  }

  get url(): string {
    return this.#url
  }

  get withCredentials(): boolean {
    return this.#options.credentials === 'include'
  }

  get readyState(): 0 | 1 | 2 {
    return (['open', 'closed'].indexOf(this.#session.status) + 1) as 0 | 1 | 2
  }

  get status(): EventSource['status'] {
    return this.#session.status as EventSource['status']
  }

  get retryAt(): number | undefined {
    return this.#session.retryAt
  }

  get failures(): number {
    return this.#session.failures
  }

  get lastEventId(): string {
    return this.#session._cursor.lastEventId
  }
  set lastEventId(id: string) {
    const { _cursor: cursor, _parser: parser } = this.#session
    cursor.lastEventId = `${id}`
    if (parser) parser.lastEventId = cursor.lastEventId
  }

  get reconnectionTime(): number {
    return this.#session.reconnectionTime
  }

  get onopen(): AnyHandler {
    return this.#handlers.open as AnyHandler
  }
  set onopen(value: AnyHandler) {
    this.#handle('open', value)
  }

  get onmessage(): AnyHandler {
    return this.#handlers.message as AnyHandler
  }
  set onmessage(value: AnyHandler) {
    this.#handle('message', value)
  }

  get onerror(): AnyHandler {
    return this.#handlers.error as AnyHandler
  }
  set onerror(value: AnyHandler) {
    this.#handle('error', value)
  }

  close(): void {
    this.#session.close()
  }

  reconnect(): void {
    const session = this.#session
    if (session._over) this.#run(session._plan, session._cursor)
    else session.reconnect()
  }

  fail(reason: unknown): void {
    this.#session.fail(reason)
  }

  send(type: string, data: unknown, init?: SendInit): Promise<FetchResponse> {
    return send(this.#sendUrl, type, data, this.#options, init)
  }

  /** Pulls a session empty: its states and events become this object's. */
  #run(plan: SessionPlan, cursor: Cursor): void {
    /** The parser that has come to the terminal event. */
    let last: unknown
    const hand = (session: AnySession): true | undefined => {
      // What the promise of a listener leads to comes before the end, too.
      if (last && last === session._parser && session.status === 'open') {
        session._complete = true
        return undefined
      }
      const event = plan._take(session)
      if (!event) return undefined
      last = session._complete && session._parser
      session._complete = false
      this.#dispatch(messageEvent(event, this.#origin))
      return true
    }
    const session: AnySession = new Session<true | undefined>(plan, cursor, hand, undefined)
    this.#session = session
    // The standard gives each event a task, so that what a listener's promise leads to comes before
    // the next. A task costs 1 microsecond on Node 20, a microtask a twentieth.
    const next = (more: unknown): void => {
      if (more) session.next().then(next, ignore)
    }
    next(true)
  }

  #tell({ status, retryAt, response, error, _over: over, _answer: answer }: AnySession): void {
    if (status === 'open') {
      this.#origin = originOf(response?.url || this.#url) ?? ''
      this.#fire('open', { response })
    }
    // In a wait, not while a policy thinks or a gate is shut.
    if (retryAt !== undefined) this.#fire('error', described(error))
    if (over && !/^(closed|aborted)$/.test(over.reason)) {
      const end =
        over.reason === 'no-content'
          ? new SseError('status', __DEV__ && 'Expected status 200, got 204', {
              status: 204,
              response: answer,
            })
          : over.error
      this.#fire('error', described(end))
    }
  }

  #fire(type: string, members: object): void {
    this.#dispatch(Object.assign(new Event(type), members))
  }

  #dispatch(event: Event): void {
    try {
      super.dispatchEvent(event)
    } catch (thrown) {
      // workerd throws what a listener throws; here it is reported, as everywhere else.
      globalThis.reportError?.(thrown)
    }
  }

  /** @see https://html.spec.whatwg.org/multipage/webappapis.html#event-handler-attributes */
  #handle(type: string, value: AnyHandler): void {
    const set = Object(value) === value
    this.#handlers[type] = set ? value : null
    // Where it is among the listeners already it stays there: the first handler takes the place.
    if (callsHandlers()) return
    super[set ? 'addEventListener' : 'removeEventListener'](type, this.#callHandler)
  }
}

/**
 * The `EventSource` of the WHATWG standard, over `fetch`: {@link EventSource}.
 *
 * @example
 * ```ts
 * import { EventSource } from 'tidings'
 *
 * const source = new EventSource('/api/prices')
 * if (source.readyState !== EventSource.CLOSED) show(source.url)
 * ```
 */
export const EventSource: {
  readonly prototype: EventSource
  /**
   * Connects at once, and fires nothing before it has returned.
   *
   * @param url - a URL, or a function of the attempt that makes one
   * @throws {DOMException} `SyntaxError` for a URL that cannot be parsed
   * @throws {TypeError | RangeError} for options that can never work (development build)
   */
  new (url: EventsInput, init?: EventSourceInit | null): EventSource
  /** The `readyState` while connecting, or waiting to. */
  readonly CONNECTING: 0
  /** The `readyState` while events may come. */
  readonly OPEN: 1
  /** The `readyState` after the end. */
  readonly CLOSED: 2
} = /* @__PURE__ */ layOut() as never

/** Constants, attributes and operations as WebIDL lays them out, on the class and its prototype. */
function layOut(): typeof Source {
  const { prototype } = Source
  const { defineProperty, entries, getOwnPropertyNames } = Object
  for (const name of getOwnPropertyNames(prototype)) {
    if (name !== 'constructor') defineProperty(prototype, name, { enumerable: true })
  }
  for (const [name, value] of entries({ CONNECTING: 0, OPEN: 1, CLOSED: 2 })) {
    for (const target of [Source, prototype]) {
      defineProperty(target, name, { value, enumerable: true })
    }
  }
  const value = 'EventSource'
  defineProperty(prototype, Symbol.toStringTag, { value, configurable: true })
  // Bundlers rename classes.
  defineProperty(Source, 'name', { value })
  // WebKit does not have the symbol.
  const dispose: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose')
  Object.assign(prototype, { [dispose]: prototype.close })
  defineProperty(Source, Symbol.for('eventsource.supports-fetch-override'), { value: true })
  return Source
}

/** The URL as the standard has it, or `''` for one that cannot be parsed. */
function absolute(url: string): string {
  try {
    return new URL(url, baseUrl()).href
  } catch {
    return ''
  }
}

/** What an `error` event says. */
function described(error: unknown): object {
  const { message = 'The stream ended', code, status }: Partial<SseError> = Object(error)
  return { error, message, code: code === 'status' ? status : code, status }
}

/** workerd calls the `on…` properties of an `EventTarget` by itself. */
function callsHandlers(): boolean {
  let called = false
  const target = Object.assign(new EventTarget(), {
    onx() {
      called = true
    },
  })
  target.dispatchEvent(new Event('x'))
  return called
}

/**
 * The standard's own: the reconnection time as it is, and every refusal fatal but one that fresh
 * headers answer. What the server asks for is spread by a tenth only, because scripts rely on it.
 */
function decideByStandard(session: AnySession): Awaitable<number | false> {
  const {
    _cursor: cursor,
    error,
    _plan: plan,
    reconnectionTime,
    _unauthorized: unauthorized,
    _word: word,
  } = session
  const answered = word || (unauthorized && plan._request._refreshable)
  const passes = (answered || !error?.status) && (error?.retriable ?? true)
  const jitter = cursor._asked === undefined ? 1 : 0.1
  // A time beyond all numbers is still one to wait for.
  const delay = Math.min(reconnectionTime * (1 + jitter * Math.random()), Number.MAX_VALUE)
  return decide(session, () => passes && delay)
}

/**
 * The runtime's fetch, which looks into a failure before any response: another attempt is futile
 * where a blob is gone, and where a server answers, but not to this page. A page cannot read an
 * answer that CORS refuses, but it can tell whether one comes.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#fail-the-connection
 */
function pageFetch(cursor: Cursor): NonNullable<RequestOptions['fetch']> {
  return async (url, init) => {
    const { fetch, location } = globalThis
    try {
      return await fetch(url, init)
    } catch (cause) {
      if (!url.startsWith('blob:')) {
        const { method, signal } = init
        const allowed = cursor._first || !location || originOf(url) === location.origin
        if (allowed || method !== 'GET') throw cause
        await fetch(url, { method: 'HEAD', mode: 'no-cors', credentials: 'omit', signal })
        // It may have been a passing failure after all.
        const response = await fetch(url, init).catch(ignore)
        if (response) return response
      }
      throw new SseError(
        'network',
        __DEV__ && 'Expected a response that this page may read, got none: check CORS',
        { cause, retriable: false },
      )
    }
  }
}
