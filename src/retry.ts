import { RETRIED_STATUSES, type SseError } from './errors'
import { type Place, resumeHeader } from './place'
import { expectNumber, expectType } from './validate'

/**
 * How the built-in policy waits and gives up.
 *
 * @example
 * ```ts
 * import { events } from 'tidings'
 *
 * // 500 ms, 1 s, 2 s, 4 s, then 5 s, each and up to a half more; the eleventh failure is thrown.
 * const retry = { delay: 500, maxDelay: 5000, jitter: 0.5, maxRetries: 10 }
 * for await (const event of events('/api/feed', { retry })) show(event.data)
 * ```
 */
export interface RetryOptions {
  /**
   * Milliseconds before the first retry, which the next ones grow from. Default: the stream's
   * reconnection time. What the server asks for with `retry` or `Retry-After` is a lower bound.
   */
  delay?: number
  /** Milliseconds that the growth stops at. Default: 30,000. */
  maxDelay?: number
  /** What each failure in a row multiplies the delay by. Default: 2. */
  factor?: number
  /** The share of the delay, from 0 to 1, that is the most chance adds to it. Default: 1. */
  jitter?: number
  /** Failures in a row that are retried before the last error is thrown. Default: no limit. */
  maxRetries?: number
  /** Milliseconds of an open stream that clear the count of failures, as an event does. Default: 60,000. */
  resetAfter?: number
  /** The response statuses that are retried. Default: 408, 425, 429, 500, 502, 503, 504. */
  statuses?: readonly number[]
}

/**
 * What a {@link RetryPolicy} decides on.
 *
 * @example
 * ```ts
 * import type { RetryContext } from 'tidings'
 *
 * const reason = ({ error, failures }: RetryContext) => `${error?.code ?? 'the end'}, ${failures} in a row`
 * ```
 */
export interface RetryContext {
  /** What ended the attempt; `undefined` after a clean end of the body. */
  readonly error: SseError | undefined
  /** The number of the attempt that ended; the first is 1. */
  readonly attempt: number
  /** Attempts in a row, this one included, that ended without progress. */
  readonly failures: number
  /** Milliseconds that the built-in policy would wait. */
  readonly delay: number
  /** The last event ID that the next attempt will send. */
  readonly lastEventId: string
  /** The response of the attempt that ended, where one came. */
  readonly response: Response | undefined
}

/**
 * Returns the milliseconds to wait before the next attempt, or `false` to give up. What it throws ends
 * the stream; an answer that is neither is a `TypeError`.
 *
 * @example
 * ```ts
 * import { events, type RetryPolicy } from 'tidings'
 *
 * // The built-in waits, but a server that is gone for good is not asked again.
 * const retry: RetryPolicy = ({ error, delay }) => (error?.status === 410 ? false : delay)
 * const feed = events('/api/feed', { retry })
 * ```
 */
export type RetryPolicy = (context: RetryContext) => number | false | Promise<number | false>

/** The statuses by which a server says that it has not acted on the request. */
const REFUSALS = [408, 425, 429, 503]

/** Milliseconds: a server's `retry: 0` must not make a hot loop. */
const SHORTEST = 100
const HOUR = 3_600_000

/** @throws {TypeError | RangeError} unless it is a usable `retry` option */
export function expectRetry(retry: unknown): void {
  if (retry === false) return
  expectType('retry', retry, 'function or object')
  const { statuses, jitter, ...numbers } = { ...(retry as RetryOptions) }
  expectNumber('retry.jitter', jitter, 0, 1)
  for (const [name, value] of Object.entries(numbers)) expectNumber(`retry.${name}`, value)
  if (statuses && !Array.isArray(statuses)) {
    throw new TypeError(`Expected retry.statuses to be an array, got ${typeof statuses}`)
  }
}

/**
 * Milliseconds to wait after `failures` in a row: exponential, never sooner than the server asked,
 * and spread upwards, so that a million clients do not return in one second.
 */
export function retryDelay(
  { delay, maxDelay = 30_000, factor = 2, jitter = 1 }: RetryOptions,
  failures: number,
  { asked = 0, reconnectionTime }: Pick<Place, 'asked' | 'reconnectionTime'>,
  response?: Response,
): number {
  const first = delay ?? Math.max(SHORTEST, Math.min(reconnectionTime, HOUR))
  const base = Math.max(first, Math.min(asked, HOUR))
  // NaN is 0 times a growth beyond all numbers.
  const grown = Math.min(base * factor ** (failures - 1), maxDelay) || 0
  return Math.max(base, grown, retryAfter(response)) * (1 + jitter * Math.random())
}

/**
 * Milliseconds until the next attempt, or `false` to give up: the caller's policy says, or the
 * built-in one.
 *
 * @param retry - the caller's option: passing it allows an unsafe request to be repeated
 * @throws {TypeError} for an answer of the caller's policy that is neither
 */
export async function decide(
  context: RetryContext,
  retry: RetryOptions | RetryPolicy | false | undefined,
  backoff: RetryOptions,
  safe: boolean,
): Promise<number | false> {
  if (typeof retry !== 'function') {
    const allowed = retry !== false && (retry || safe || isRepeatable(context))
    return allowed && shouldRetry(backoff, context) && context.delay
  }
  const delay = await retry(context)
  if (delay !== false && !(typeof delay === 'number' && delay >= 0)) {
    throw new TypeError(`Expected retry to return milliseconds or false, got ${delay}`)
  }
  return delay
}

/** Whether the built-in policy makes a new attempt. */
export function shouldRetry(
  { maxRetries = Number.POSITIVE_INFINITY, statuses = RETRIED_STATUSES }: RetryOptions,
  { error, failures }: RetryContext,
): boolean {
  if (failures > maxRetries) return false
  return (
    !error ||
    (error.code === 'status' ? statuses.includes(error.status as number) : error.retriable)
  )
}

/**
 * Whether repeating an unsafe request (a POST, say) can have no second effect: the server refused
 * it, or can resume it from an ID. A clean end counts only where `onEnd` asks for a reconnect.
 */
export function isRepeatable({ error, lastEventId }: RetryContext): boolean {
  return (
    !error ||
    resumeHeader(lastEventId) !== '' ||
    (error.code === 'status' && REFUSALS.includes(error.status as number))
  )
}

/** Milliseconds that a `Retry-After` header asks for, as seconds or as a date. */
function retryAfter(response: Response | undefined): number {
  const value = response?.headers.get('retry-after') ?? ''
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return milliseconds || 0
}
