import { SseError, type SseErrorCode } from './errors'
import type { EventStreamStatus } from './events'
import { messageEvent } from './message-event'
import type { ServerSentEvent } from './parser'
import { Place } from './place'
import { baseUrl } from './request'
import type { RetryOptions } from './retry'
import { type SendInit, send } from './send'
import {
  planSession,
  SessionControl,
  type SessionPlan,
  type StreamOptions,
  session,
} from './session'
import { expectType } from './validate'

/**
 * What `new EventSource(url, init)` takes beside the standard's `withCredentials`.
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
  extends Omit<StreamOptions<unknown>, 'credentials' | 'mode' | 'window'> {
  /** Sends cookies to another origin too. Default: `false`. */
  withCredentials?: boolean
  /** Where {@link EventSource.send} posts to. Default: the stream's own URL. */
  sendUrl?: string | URL
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
export interface SseErrorEvent extends Event {
  /** What went wrong; `undefined` where the stream ended without an error. */
  readonly error: SseError | Error | undefined
  /** What was expected, and what came. */
  readonly message: string
  /** The status that was refused, as in the `eventsource` package; else the error's code. */
  readonly code: number | SseErrorCode | undefined
  /** The response's status, where a response came. */
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
export interface OpenEvent extends Event {
  /** The response; its body is being read. */
  readonly response: Response
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
  // biome-ignore lint/suspicious/noExplicitAny: as in the DOM's own types
  message: MessageEvent<any>
  /** The connection is lost, or the stream is over: `status` of the source says which. */
  error: SseErrorEvent
}

type Handler<E extends Event> = ((this: EventSource, event: E) => unknown) | null

// What is read is less exact than what is set, or the class would not be the DOM's to TypeScript:
// whoever takes that for an EventSource may call its handlers with plain events.
// biome-ignore lint/suspicious/noExplicitAny: as in the DOM's own types
type AnyHandler = ((this: any, event: any) => unknown) | null

/** Milliseconds: what the standard calls "a few seconds", and what browsers use. */
const RECONNECTION_TIME = 3000

const CLOSED = Symbol('closed')

// WebKit does not have the symbol.
const dispose: typeof Symbol.dispose =
  Symbol.dispose ?? (Symbol.for('Symbol.dispose') as typeof Symbol.dispose)

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
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: overloads only, as in the DOM's own types
export class EventSource extends EventTarget {
  /** The `readyState` while connecting, or waiting to. */
  declare static readonly CONNECTING: 0
  /** The `readyState` while events may come. */
  declare static readonly OPEN: 1
  /** The `readyState` after the end. */
  declare static readonly CLOSED: 2
  /** The `readyState` while connecting, or waiting to. */
  declare readonly CONNECTING: 0
  /** The `readyState` while events may come. */
  declare readonly OPEN: 1
  /** The `readyState` after the end. */
  declare readonly CLOSED: 2

  readonly #url: string
  readonly #options: StreamOptions<unknown>
  readonly #sendUrl: string | URL
  readonly #plan: SessionPlan<unknown>
  readonly #place: Place
  /** The values of the `on` attributes. */
  readonly #handlers = new Map<string, AnyHandler>()
  readonly #callHandler = (event: Event): void => {
    const handler = this.#handlers.get(event.type)
    if (typeof handler === 'function' && handler.call(this, event) === false) event.preventDefault()
  }
  /** The types that ever had a listener. */
  readonly #heard = new Set<string>()
  #control = new SessionControl()
  #status: Exclude<EventStreamStatus, 'idle'> = 'connecting'

  /**
   * @throws {DOMException} `SyntaxError` for a URL that cannot be parsed
   * @throws {TypeError | RangeError} for options that can never work
   */
  constructor(url: string | URL, init: EventSourceInit | null = {}) {
    super()
    // biome-ignore lint/complexity/noArguments: a default or a rest would change the length, 1
    if (arguments.length === 0) throw new TypeError('Expected a URL, got no argument')
    const text = `${url}`
    // As WebIDL has it for a dictionary.
    expectType('init', init ?? undefined, 'object or function')
    const { withCredentials, sendUrl, ...rest } = init ?? {}
    const options: StreamOptions<unknown> = rest
    if (withCredentials) options.credentials = 'include'
    this.#url = parse(text)
    this.#options = options
    this.#sendUrl = sendUrl ?? this.#url
    // A function, so that a URL that cannot be fetched fails as the standard has it: by an event.
    const plan = planSession(() => this.#url, options)
    const place = new Place(options.lastEventId, RECONNECTION_TIME)
    this.#place = place
    this.#plan = {
      ...plan,
      fetch: options.fetch ?? pageFetch(),
      retryDefaults: options.retry ? undefined : standardRetry(place),
    }
    this.#run()
  }

  /** The absolute URL of the stream. */
  get url(): string {
    return this.#url
  }

  /** Whether cookies go to another origin too. Default: `false`. */
  get withCredentials(): boolean {
    return this.#options.credentials === 'include'
  }

  /** 0 while connecting or waiting to, 1 while open, 2 when closed. */
  get readyState(): 0 | 1 | 2 {
    return this.#status === 'closed' ? 2 : this.#status === 'open' ? 1 : 0
  }

  /** As {@link readyState}, telling `'connecting'` from `'waiting'`. */
  get status(): Exclude<EventStreamStatus, 'idle'> {
    return this.#status
  }

  /** The last event ID: that of the last event dispatched. */
  get lastEventId(): string {
    return this.#place.lastEventId
  }

  /** Milliseconds to wait before a reconnect; 3,000 until the server's `retry` changes it. */
  get reconnectionTime(): number {
    return this.#place.reconnectionTime
  }

  override addEventListener(type: string, _listener: never): void {
    this.#heard.add(`${type}`)
    // biome-ignore lint/complexity/noArguments: as many as came, because EventTarget counts them
    super.addEventListener.apply(this, arguments as never)
  }

  /** Called with the `open` event. Default: `null`. */
  get onopen(): AnyHandler {
    return this.#handlers.get('open') ?? null
  }
  /** Calls the function with the `open` event; anything but a function or an object is `null`. */
  set onopen(value: Handler<OpenEvent>) {
    this.#handle('open', value)
  }

  /** Called with events of type `message`: those that the server gave no type. Default: `null`. */
  get onmessage(): AnyHandler {
    return this.#handlers.get('message') ?? null
  }
  /** Calls the function with events of type `message`; anything but a function or an object is `null`. */
  set onmessage(value: Handler<MessageEvent>) {
    this.#handle('message', value)
  }

  /** Called with the `error` event. Default: `null`. */
  get onerror(): AnyHandler {
    return this.#handlers.get('error') ?? null
  }
  /** Calls the function with the `error` event; anything but a function or an object is `null`. */
  set onerror(value: Handler<SseErrorEvent>) {
    this.#handle('error', value)
  }

  /** Ends the stream. No event follows, not even one that has come already. */
  close(): void {
    this.#control.stop.abort(CLOSED)
  }

  /**
   * Connects now with the last event ID, from any state: it drops the connection or the wait, and
   * reopens a closed source.
   */
  reconnect(): void {
    if (this.#status === 'closed') this.#run()
    else this.#control.reconnect()
  }

  /**
   * Posts an event to the server beside the stream: `{"type", "data"}` as JSON to `sendUrl`, or to
   * the stream's URL, with the stream's headers and credentials.
   *
   * @throws {SseError} `status` on anything but a 2xx; `network`, `redirect`, `auth`
   */
  send(type: string, data: unknown, init?: SendInit): Promise<Response> {
    const { credentials, redirect, headers, fetch } = this.#options
    return send(this.#sendUrl, type, data, { credentials, redirect, ...init, headers, fetch })
  }

  /** Closes the source: `using` ends it with its block. */
  [dispose](): void {
    this.close()
  }

  /** Folds a session into this object's state and events. */
  async #run(): Promise<void> {
    const control = new SessionControl()
    const { signal } = control.stop
    this.#control = control
    this.#status = 'connecting'
    signal.addEventListener('abort', () => {
      this.#status = 'closed'
    })
    let ended: unknown
    try {
      for await (const step of session(this.#plan, this.#place, control)) {
        if (signal.aborted) continue
        this.#status = step.type
        if (step.type === 'open') {
          const { response, read } = step
          const { origin } = new URL(response.url ?? '', this.#url)
          this.dispatchEvent(Object.assign(new Event('open'), { response }))
          for (let events = await read(); events; events = await read()) {
            await this.#fire(events, origin, control)
          }
        }
        if (step.type === 'waiting') this.dispatchEvent(errorEvent(step.error))
      }
    } catch (error) {
      ended = error
    }
    if (signal.reason === CLOSED || this.#plan.signal?.aborted) return
    this.dispatchEvent(errorEvent(ended as Error | undefined))
  }

  /**
   * The standard gives each event a task, so that what a listener's promise leads to comes before
   * the next. A task costs 1 microsecond on Node 20, a microtask by `then` a twentieth, by `await`
   * a tenth.
   */
  #fire(
    events: ServerSentEvent<string, unknown>[],
    origin: string,
    control: SessionControl,
  ): Promise<void> {
    return new Promise((resolve) => {
      let count = 0
      const ready = Promise.resolve()
      const next = (): unknown => {
        for (;;) {
          const event = events[count++]
          // Closed, or even opened again.
          const stopped = this.#status === 'closed' || this.#control !== control
          if (!event || stopped) return resolve()
          this.#place.deliver(event)
          // 1.8 times as fast for events nobody listens for (Node 20).
          if (!this.#heard.has(event.type)) continue
          this.dispatchEvent(messageEvent(event, origin))
          return ready.then(next)
        }
      }
      next()
    })
  }

  /** @see https://html.spec.whatwg.org/multipage/webappapis.html#event-handler-attributes */
  #handle(type: string, value: AnyHandler): void {
    if (Object(value) === value) {
      this.#handlers.set(type, value)
      // Where it is among the listeners already it stays there: the first handler takes the place.
      this.addEventListener(type, this.#callHandler)
    } else {
      this.#handlers.delete(type)
      this.removeEventListener(type, this.#callHandler)
    }
  }

  // As WebIDL lays out constants, attributes and operations.
  static {
    const { prototype } = EventSource
    const define = Object.defineProperty
    for (const [value, name] of ['CONNECTING', 'OPEN', 'CLOSED'].entries()) {
      for (const target of [EventSource, prototype]) {
        define(target, name, { value, enumerable: true })
      }
    }
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (name !== 'constructor') define(prototype, name, { enumerable: true })
    }
    const value = 'EventSource'
    define(prototype, Symbol.toStringTag, { value, configurable: true })
    // Bundlers rename classes.
    define(EventSource, 'name', { value })
    define(EventSource, Symbol.for('eventsource.supports-fetch-override'), { value: true })
  }
}

// The typed overloads of EventTarget's methods.
export interface EventSource {
  /** Listens for `open`, `message` or `error`. */
  addEventListener<K extends keyof EventSourceEventMap>(
    type: K,
    listener: (this: EventSource, event: EventSourceEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void
  /** Listens for the events that the server gave this type. */
  addEventListener(
    type: string,
    listener: (this: EventSource, event: MessageEvent) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void
  /** As the DOM's own. */
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void
  /** Takes back what `addEventListener` was given. */
  removeEventListener<K extends keyof EventSourceEventMap>(
    type: K,
    listener: (this: EventSource, event: EventSourceEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void
  /** Takes back what `addEventListener` was given. */
  removeEventListener(
    type: string,
    listener: (this: EventSource, event: MessageEvent) => unknown,
    options?: boolean | EventListenerOptions,
  ): void
  /** As the DOM's own. */
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void
}

function parse(url: string | URL): string {
  try {
    return new URL(url, baseUrl()).href
  } catch {
    throw new DOMException('Expected a URL that can be parsed', 'SyntaxError')
  }
}

function errorEvent(error: SseError | Error | undefined): SseErrorEvent {
  const { message = 'The stream ended', code, status }: Partial<SseError> = error ?? {}
  return Object.assign(new Event('error'), {
    error,
    message,
    code: code === 'status' ? status : code,
    status,
  })
}

/**
 * The standard's own: the reconnection time as it is, and every status but 200 fatal. What the
 * server asks for is spread by a fifth only, because scripts rely on it to within a quarter.
 */
function standardRetry(place: Place): RetryOptions {
  return {
    factor: 1,
    statuses: [],
    get jitter() {
      return place.asked === undefined ? 1 : 0.2
    },
  }
}

/**
 * The runtime's fetch, which looks into a failure before any response: another attempt is futile
 * where a blob is gone, and where a server answers, but not to this page. A page cannot read an
 * answer that CORS refuses, but it can tell whether one comes.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#fail-the-connection
 */
function pageFetch(): NonNullable<StreamOptions['fetch']> {
  let answered = false
  return async (url, init) => {
    const { fetch, location } = globalThis
    try {
      const response = await fetch(url, init)
      answered = true
      return response
    } catch (cause) {
      if (!url.startsWith('blob:')) {
        const { method, signal } = init
        const known = answered || !location || new URL(url).origin === location.origin
        if (known || method !== 'GET') throw cause
        await fetch(url, { method: 'HEAD', mode: 'no-cors', credentials: 'omit', signal })
        // It may have been a passing failure after all.
        const response = await fetch(url, init).catch(() => undefined)
        if (response) return response
      }
      const message = 'Expected a response that this page may read, got none: check CORS'
      throw Object.assign(new SseError('network', message, { cause }), { retriable: false })
    }
  }
}
