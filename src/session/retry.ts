import { time } from '../abort'
import { SseError } from '../errors'
import type { Awaitable, FetchResponse } from '../platform'
import { askedWait, systemCode } from '../transport/exchange'
import type { AnySession } from './session'

/**
 * How the built-in policy waits and gives up. It says when to try again, never whether a request may
 * be repeated: that is `resume`.
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
  delay?: number | undefined
  /** Milliseconds that the growth stops at. Default: 30,000. */
  maxDelay?: number | undefined
  /** What each failure in a row multiplies the delay by. Default: 2. */
  factor?: number | undefined
  /** Random jitter, as a fraction of the delay that is added at most. Default: 1. */
  jitter?: number | undefined
  /**
   * Failures in a row that are retried before the last error is thrown. Default: no limit; 2 for a
   * request that is not safe, where an answer allows to repeat it.
   */
  maxRetries?: number | undefined
  /**
   * Milliseconds of an open stream that clear the count of failures. Default: the wait before it,
   * between 1,000 and 5,000.
   */
  resetAfter?: number | undefined
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
  /** What the built-in policy would do: milliseconds to wait, or `false` to give up. */
  readonly delay: number | false
  /** Milliseconds that the built-in policy would wait, whatever it decides. */
  readonly backoff: number
  /** Where the next attempt goes on. */
  readonly cursor: string
  /** The response of the attempt that ended, where one came. */
  readonly response: FetchResponse | undefined
}

/**
 * Returns the milliseconds to wait before the next attempt, or `false` to give up. It is asked about
 * every end but your own, the first 401 in a row that fresh headers answer, and a request that must
 * not be repeated: it cannot allow that. What it throws ends the stream.
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
export type RetryPolicy = (context: RetryContext) => Awaitable<number | false>

const MINUTE = 60_000
const DAY = 86_400_000

/** The statuses by which a server says that it has not acted, without more words. */
const UNACTED = /^(425|429|529)$/
/** The system's words for a connection that was never made. */
const UNSENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT)$/

/** What the answer asks a client to wait, in milliseconds. */
function retryAfterOf({ error, _answer: answer }: AnySession): number {
  return error?.retryAfter ?? (answer && askedWait(answer)) ?? 0
}

/** What a server asks a client to wait, in milliseconds. */
export function askedBy(session: AnySession): number {
  return Math.max(retryAfterOf(session), session._cursor._asked ?? 0)
}

/**
 * Milliseconds until the next attempt, or `false` to give up: the caller's policy says, or the
 * built-in one.
 */
export function decide(
  session: AnySession,
  retry: RetryOptions | RetryPolicy | false | undefined,
): Awaitable<number | false> {
  const { failures, attempt, _cursor: cursor, _answer: response, _repeatable: repeatable } = session
  const free = repeatable || session._word
  const spent = failures > time(Object(retry).maxRetries, free ? Number.POSITIVE_INFINITY : 2)
  if (!free && (spent || !isUnacted(session))) return false
  const asked = askedBy(session)
  const patient = repeatable || session._plan._request._safe
  const tooLong = asked >= (patient ? DAY : MINUTE)
  if (tooLong) {
    session.error ??= new SseError(
      'refused',
      __DEV__ && `Expected to reconnect within a day, but the server asks to wait for ${asked} ms`,
      { retriable: false },
    )
    session.error.retryAfter = asked
  }
  const { error } = session
  const gaveUp = tooLong || retry === false || spent
  const backoff = backoffTime(
    Object(retry),
    failures,
    session.reconnectionTime,
    cursor._asked,
    retryAfterOf(session),
  )
  const delay = !gaveUp && (error?.retriable ?? true) && backoff
  if (typeof retry !== 'function') return delay
  const answered = (answer: number | false): number | false => {
    if (answer === false) return answer
    if (__DEV__ && (typeof answer !== 'number' || !(answer >= 0))) {
      throw new TypeError(`Expected retry to return milliseconds or false, got ${answer}`)
    }
    return time(answer, delay)
  }
  const answer = retry({ error, attempt, failures, delay, backoff, cursor: cursor.place, response })
  return typeof answer === 'object' ? Promise.resolve(answer).then(answered) : answered(answer)
}

/**
 * Milliseconds to wait after `failures` in a row: exponential, never sooner than the server asked,
 * and spread upwards, so that a million clients do not return in one second.
 */
export function backoffTime(
  { delay, maxDelay, factor, jitter }: RetryOptions,
  failures: number,
  reconnectionTime: number,
  named = 0,
  retryAfter = 0,
): number {
  const first = Math.max(time(delay, reconnectionTime), named)
  // NaN is 0 times a growth beyond all numbers.
  const grown = Math.min(first * time(factor, 2) ** (failures - 1), time(maxDelay, 30_000)) || 0
  return Math.max(
    Math.max(first, grown) * (1 + time(jitter, 1) * Math.random()),
    retryAfter + Math.min(retryAfter / 10, 30_000) * Math.random(),
  )
}

/**
 * Whether repeating a request that is not safe can have no second effect: it was not sent, or the
 * answer says that the server has not acted. A 503 alone says nothing: gateways answer so for
 * requests that go on running.
 */
function isUnacted({
  error,
  _sent: sent,
  _unauthorized: unauthorized,
  _plan: plan,
}: AnySession): boolean {
  if (!error || !sent) return !!error
  if (error.code !== 'status') return UNSENT.test(systemCode(error.cause))
  return (
    (unauthorized && plan._request._refreshable) ||
    UNACTED.test(`${error.status}`) ||
    (error.retriable &&
      (error.retryAfter !== undefined || error.response?.headers.get('x-should-retry') === 'true'))
  )
}
