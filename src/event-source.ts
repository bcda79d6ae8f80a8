import { SseError } from './errors'
import type { EventStreamStatus } from './events'
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

/** What `new EventSource(url, init)` takes beside the standard's `withCredentials`. */
export interface EventSourceInit
  extends Omit<StreamOptions<unknown>, 'credentials' | 'mode' | 'window'> {
  /** Sends cookies to another origin too. Default: `false`. */
  withCredentials?: boolean
  /** Where {@link EventSource.send} posts to. Default: the stream's own URL. */
  sendUrl?: string | URL
}

/** The `error` event: what the native class keeps to itself. */
export interface SseErrorEvent extends Event {
  /** What went wrong; `undefined` where the stream ended without an error. */
  readonly error: SseError | Error | undefined
  readonly message: string
  /** The error's code, an {@link SseErrorCode} or `undefined`. */
  readonly code: string | undefined
  /** The response's status, where a response came. */
  readonly status: number | undefined
}

/** The `open` event. */
export interface OpenEvent extends Event {
  readonly response: Response
}

/** The events that every source fires, beside those the server names. */
export interface EventSourceEventMap {
  open: OpenEvent
  // biome-ignore lint/suspicious/noExplicitAny: as in the DOM's own types
  message: MessageEvent<any>
  error: SseErrorEvent
}

type Handler<E extends Event> = ((this: EventSource, event: E) => unknown) | null

interface AttributeHandler {
  value: unknown
  readonly listener: (event: Event) => void
}

/** Milliseconds: what the standard calls "a few seconds", and what browsers use. */
const RECONNECTION_TIME = 3000

/** The standard's own: the reconnection time as it is, and every status but 200 fatal. */
const STANDARD_RETRY: RetryOptions = { factor: 1, statuses: [] }

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
 * const source = new EventSource('/api/prices', { headers: { Authorization: `Bearer ${token}` } })
 * source.addEventListener('price', (event) => show(event.data))
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: overloads only, as in the DOM's own types
export class EventSource extends EventTarget {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSED = 2
  declare readonly CONNECTING: 0
  declare readonly OPEN: 1
  declare readonly CLOSED: 2

  readonly #url: string
  readonly #init: EventSourceInit
  readonly #plan: SessionPlan<unknown>
  readonly #place: Place
  readonly #handlers = new Map<string, AttributeHandler>()
  #control = new SessionControl()
  #status: Exclude<EventStreamStatus, 'idle'> = 'connecting'

  /**
   * @throws {DOMException} `SyntaxError` for a URL that cannot be parsed
   * @throws {TypeError | RangeError} for options that can never work
   */
  constructor(url: string | URL, init: EventSourceInit = {}) {
    super()
    this.#url = parse(url)
    this.#init = init
    const { withCredentials, sendUrl, ...options } = init
    if (withCredentials) Object.assign(options, { credentials: 'include' })
    // A function, so that a URL that cannot be fetched fails as the standard has it: by an event.
    const plan = planSession(() => this.#url, options)
    this.#plan = options.retry ? plan : { ...plan, retryDefaults: STANDARD_RETRY }
    this.#place = new Place(options.lastEventId, RECONNECTION_TIME)
    this.#run()
  }

  /** The absolute URL of the stream. */
  get url(): string {
    return this.#url
  }

  get withCredentials(): boolean {
    return !!this.#init.withCredentials
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

  get onopen(): Handler<OpenEvent> {
    return this.#handler('open')
  }
  set onopen(value: Handler<OpenEvent>) {
    this.#handle('open', value)
  }

  get onmessage(): Handler<MessageEvent> {
    return this.#handler('message')
  }
  set onmessage(value: Handler<MessageEvent>) {
    this.#handle('message', value)
  }

  get onerror(): Handler<SseErrorEvent> {
    return this.#handler('error')
  }
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
    const { sendUrl = this.#url, headers, fetch, withCredentials } = this.#init
    const credentials = withCredentials ? { credentials: 'include' as const } : undefined
    return send(sendUrl, type, data, { ...credentials, ...init, headers, fetch })
  }

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
    let origin = ''
    let ended: unknown
    try {
      for await (const step of session(this.#plan, this.#place, control)) {
        if (signal.aborted) continue
        if (step.type === 'events') {
          for (const event of step.events) {
            if (signal.aborted) break
            this.#place.deliver(event)
            const { type, data, lastEventId } = event
            this.dispatchEvent(new MessageEvent(type, { data, lastEventId, origin }))
          }
          continue
        }
        this.#status = step.type
        if (step.type === 'open') {
          const { response } = step
          origin = new URL(response.url || this.#url).origin
          this.dispatchEvent(Object.assign(new Event('open'), { response }))
        }
        if (step.type === 'waiting') this.dispatchEvent(errorEvent(step.error))
      }
    } catch (error) {
      ended = error
    }
    if (signal.reason === CLOSED || this.#plan.signal?.aborted) return
    this.dispatchEvent(errorEvent(ended as Error | undefined))
  }

  // biome-ignore lint/suspicious/noExplicitAny: the accessors give it its type
  #handler(type: string): any {
    return this.#handlers.get(type)?.value ?? null
  }

  /** @see https://html.spec.whatwg.org/multipage/webappapis.html#event-handler-attributes */
  #handle(type: string, value: unknown): void {
    const known = this.#handlers.get(type)
    if (typeof value !== 'function' && (typeof value !== 'object' || value === null)) {
      if (known) this.removeEventListener(type, known.listener)
      this.#handlers.delete(type)
    } else if (known) {
      // Another handler takes the place of the first among the listeners.
      known.value = value
    } else {
      const handler: AttributeHandler = {
        value,
        listener: (event) => {
          if (typeof handler.value === 'function') handler.value.call(this, event)
        },
      }
      this.#handlers.set(type, handler)
      this.addEventListener(type, handler.listener)
    }
  }

  // As WebIDL lays out constants, attributes and operations.
  static {
    for (const [name, value] of Object.entries({ CONNECTING: 0, OPEN: 1, CLOSED: 2 })) {
      const constant = { value, enumerable: true, configurable: false, writable: false }
      Object.defineProperty(EventSource, name, constant)
      Object.defineProperty(EventSource.prototype, name, constant)
    }
    for (const name of Object.getOwnPropertyNames(EventSource.prototype)) {
      if (name !== 'constructor') {
        Object.defineProperty(EventSource.prototype, name, { enumerable: true })
      }
    }
    Object.defineProperty(EventSource.prototype, Symbol.toStringTag, {
      value: 'EventSource',
      configurable: true,
    })
    Object.defineProperty(EventSource, Symbol.for('eventsource.supports-fetch-override'), {
      value: true,
    })
  }
}

// The typed overloads of EventTarget's methods.
export interface EventSource {
  addEventListener<K extends keyof EventSourceEventMap>(
    type: K,
    listener: (this: EventSource, event: EventSourceEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void
  addEventListener(
    type: string,
    listener: (this: EventSource, event: MessageEvent) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void
  removeEventListener<K extends keyof EventSourceEventMap>(
    type: K,
    listener: (this: EventSource, event: EventSourceEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void
  removeEventListener(
    type: string,
    listener: (this: EventSource, event: MessageEvent) => unknown,
    options?: boolean | EventListenerOptions,
  ): void
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
  return Object.assign(new Event('error'), {
    error,
    message: error ? error.message : 'The stream ended',
    code: error instanceof SseError ? error.code : undefined,
    status: error instanceof SseError ? error.status : undefined,
  }) as SseErrorEvent
}
