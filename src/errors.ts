/**
 * Why a stream, or one attempt at it, failed. This is the contract to switch on:
 * - `network`: the request failed, or the connection was lost while the body was read
 * - `status`: the server answered with a status other than 200
 * - `content-type`: the response is not `text/event-stream`
 * - `redirect`: a redirect would have sent the caller's headers to another origin
 * - `timeout`: no response headers within `connectTimeout`
 * - `idle`: no byte for `idleTimeout`
 * - `truncated`: the body ended before the event that `until` names
 * - `too-large`: a line or an event is over `maxEventSize`
 * - `data`: an event's data is not what `until`, `decode` or `schema` take
 * - `refused`: `onOpen` threw
 * - `unrepeatable`: a retry would need a body that can be read only once
 * - `auth`: the `headers` function failed
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
  /** The response's status. Default: none came. */
  status?: number
  /** The response. Default: none came. */
  response?: Response
  /** The beginning of the response's text, 4 KiB at most. Default: it was not read. */
  body?: string
  /** The error below this one. Default: none. */
  cause?: unknown
}

const TRANSIENT = 'network timeout idle truncated'

/** The statuses retried by default. */
export const RETRIED_STATUSES: readonly number[] = [408, 425, 429, 500, 502, 503, 504]

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
  /** The response's status, where a response came. */
  readonly status: number | undefined
  /** The refused response; its body has been read or dropped. */
  readonly response: Response | undefined
  /** The first 4 KiB, at most, of a refused response's text. */
  readonly body: string | undefined
  /** Whether the default policy holds a new attempt worth while. */
  readonly retriable: boolean
  /** The number of the attempt that failed; the first is 1, and 0 stands for none. */
  attempt = 0

  /** For tests of yours; the library makes its own. */
  constructor(code: SseErrorCode, message: string, details: SseErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.status = details.status
    this.response = details.response
    this.body = details.body
    this.retriable =
      TRANSIENT.includes(code) ||
      (code === 'status' && RETRIED_STATUSES.includes(details.status as number))
  }

  /** `'SseError'`, whatever a bundler makes of the class's name. */
  override get name(): string {
    return 'SseError'
  }
}
