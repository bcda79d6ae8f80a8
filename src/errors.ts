import type { ServerSentEvent } from './parser/event'
import type { FetchResponse } from './platform'

/**
 * Why a stream, or one attempt at it, failed. This is the contract to switch on:
 * - `network`: the request failed, or the connection was lost while the body was read
 * - `status`: the server answered with a status that is no stream
 * - `content-type`: the response is not `text/event-stream`
 * - `redirect`: a redirect would have sent the caller's headers to another origin
 * - `timeout`: the stream was not open within `connectTimeout`
 * - `idle`: no byte for `idleTimeout`
 * - `truncated`: the body ended within an event, or before the event that `until` names
 * - `too-large`: an event is over `maxEventSize`
 * - `data`: `decode`, `until` or `cursor` threw on an event
 * - `refused`: `accept` or `onOpen` refused the response, or `fail()` was called
 * - `unrepeatable`: the request cannot, or must not, be sent again
 * - `auth`: a function of the request failed: the user has to log in again
 *
 * @example
 * ```ts
 * import type { SseErrorCode } from 'tidings'
 *
 * const advice: Partial<Record<SseErrorCode, string>> = {
 *   network: 'Check your connection.',
 *   auth: 'Please log in again.',
 * }
 * ```
 */
export type SseErrorCode =
  | 'network'
  | 'status'
  | 'content-type'
  | 'redirect'
  | 'timeout'
  | 'idle'
  | 'truncated'
  | 'too-large'
  | 'data'
  | 'refused'
  | 'unrepeatable'
  | 'auth'

/**
 * What an {@link SseError} knows beside its code and message.
 *
 * @example
 * ```ts
 * import { SseError } from 'tidings'
 *
 * // For a test of what an app does with an error.
 * const refused = new SseError('status', 'Expected status 200, got 403', { status: 403 })
 * ```
 */
export interface SseErrorDetails {
  /** The status that was refused. Default: none was. */
  status?: number | undefined
  /** Milliseconds that the server asks a client to wait. Default: it does not. */
  retryAfter?: number | undefined
  /** Where a refused redirect leads. Default: none was refused. */
  location?: string | undefined
  /** The response. Default: none came. */
  response?: FetchResponse | undefined
  /** The beginning of the text that came in place of events, 64 KiB at most. Default: none. */
  body?: string | undefined
  /** The event that could not be handed over. Default: none. */
  event?: ServerSentEvent | undefined
  /** Whether a new attempt is worth while. Default: by the code and the status. */
  retriable?: boolean | undefined
  /** The error below this one. Default: none. */
  cause?: unknown
}

const BRAND = Symbol.for('tidings.SseError')

/**
 * The one error of this library. Misuse throws a `TypeError` or `RangeError` before any request,
 * and an abort throws `signal.reason`; everything else that ends a stream is one of these.
 *
 * @example
 * ```ts
 * import { events, SseError } from 'tidings'
 *
 * try {
 *   for await (const event of events('/api/feed')) show(event.data)
 * } catch (error) {
 *   if (error instanceof SseError && error.status === 403) show('Ask for access.', error.body)
 *   else throw error
 * }
 * ```
 */
export class SseError extends Error {
  /** What happened, for a `switch`: the contract; messages may change. */
  readonly code: SseErrorCode
  /** The status that was refused; `undefined` where the response was a stream, or none came. */
  readonly status: number | undefined
  /** Milliseconds that the server asked to wait, where it did. */
  retryAfter: number | undefined
  /** Whether the default policy holds a new attempt worth while. */
  retriable: boolean
  /** The number of the attempt that failed; the first is 1, and 0 stands for none. */
  attempt = 0
  // Not enumerable, so that printing an error shows no ticket, cookie or customer's data.
  /** The response, where one came; the body of a refused one has been read or dropped. */
  declare readonly response: FetchResponse | undefined
  /** The beginning of the text that came in place of events, 64 KiB at most. */
  declare readonly body: string | undefined
  /** Where a refused redirect leads. */
  declare readonly location: string | undefined
  /** The event that `decode`, `until` or `cursor` threw on. */
  declare readonly event: ServerSentEvent | undefined

  /** For tests of yours; the library makes its own. */
  constructor(code: SseErrorCode, message: string | false = false, details: SseErrorDetails = {}) {
    const { status, response, location } = details
    const origin = originOf(location ?? response?.url)
    super(message || [code, status, origin].filter(Boolean).join(' '), details)
    this.code = code
    this.status = status
    this.retryAfter = details.retryAfter
    this.retriable =
      details.retriable ??
      (code === 'status' ? isPassing(status) : /^(network|timeout|idle|truncated)$/.test(code))
    for (const name of ['response', 'body', 'location', 'event'] as const) {
      Object.defineProperty(this, name, { value: details[name], configurable: true })
    }
  }

  /** @internal Known by every copy of this module, in either format. */
  get [BRAND](): true {
    return true
  }

  /** `'SseError'`, whatever a bundler makes of the class's name. */
  override get name(): string {
    return 'SseError'
  }

  /** Also true of an error that another copy of this package has made; a subclass knows its own. */
  // biome-ignore-start lint/complexity/noThisInStatic: it is the class that is asked about
  static override [Symbol.hasInstance](value: unknown): boolean {
    return Object.hasOwn(this, Symbol.hasInstance)
      ? !!Object(value)[BRAND]
      : super[Symbol.hasInstance](value)
  }
  // biome-ignore-end lint/complexity/noThisInStatic: it is the class that is asked about
}

/** Whether a status passes by itself: trouble of the moment, not of the request. */
export function isPassing(status: number | undefined): boolean {
  return /^(408|425|429|5(?!0[15])\d\d)$/.test(`${status}`)
}

/** Of a URL, the part that holds no secret. */
export function originOf(url: string | undefined): string | undefined {
  try {
    return new URL(url as string).origin
  } catch {
    return undefined
  }
}
