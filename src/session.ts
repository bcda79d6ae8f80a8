import { abortable } from './abort'
import { type ConnectionHooks, type ConnectionOptions, connect } from './connection'
import { type Delivery, type DeliveryOptions, deliver } from './delivery'
import { SseError } from './errors'
import { admit, type Gate, type GateOptions, pageGate } from './gate'
import type { ServerSentEvent } from './parser'
import { type Place, resumeHeader } from './place'
import {
  type EventsInput,
  isSafe,
  planRequest,
  type RequestOptions,
  type RequestPlan,
  unrepeatable,
} from './request'
import { decide, expectRetry, type RetryOptions, type RetryPolicy, retryDelay } from './retry'
import { expectSchema } from './schema'
import { expectNumber, expectOneOf, expectType } from './validate'

/**
 * Why the connection is made anew, and when.
 *
 * @example
 * ```ts
 * import { events, type Reconnect } from 'tidings'
 *
 * const onReconnect = ({ error, delay }: Reconnect) =>
 *   show(`${error?.message ?? 'The stream ended'}. Again in ${Math.ceil(delay / 1000)} s.`)
 * const feed = events('/api/feed', { onReconnect })
 * ```
 */
export interface Reconnect {
  /** What ended the attempt; `undefined` after a clean end of the body. */
  readonly error: SseError | undefined
  /** Milliseconds until the next attempt. */
  readonly delay: number
  /** The number of the attempt that ended; the first is 1. */
  readonly attempt: number
}

/** The options that every face shares. */
export interface StreamOptions<T = string>
  extends RequestOptions,
    ConnectionOptions,
    DeliveryOptions<T>,
    GateOptions {
  /** Ends the stream with its reason. */
  signal?: AbortSignal | null
  /** Where to resume: sent as `Last-Event-ID`. Default: `''`, from the start. */
  lastEventId?: string
  /**
   * How to retry: the built-in policy's options, a policy of your own, or `false` for never.
   * Passing it says that repeating the request is safe, whatever its method.
   */
  retry?: RetryOptions | RetryPolicy | false
  /**
   * What a clean end of the body means. Default: `'reconnect'` for the methods GET, HEAD and
   * OPTIONS, `'complete'` for the others.
   */
  onEnd?: 'reconnect' | 'complete'
  /** Called before each new attempt, and before its wait. */
  onReconnect?: (reconnect: Reconnect) => void
}

/** One stretch of a session, for a face to fold over. */
export type Step<T> =
  | { readonly type: 'connecting' }
  | {
      readonly type: 'open'
      readonly response: Response
      /**
       * The next events, at least one, when those before are delivered; `undefined` where none
       * follow: why, the session knows. No step of their own, because a generator costs too much.
       */
      readonly read: () => Promise<ServerSentEvent<string, T>[] | undefined>
    }
  | ({ readonly type: 'waiting' } & Reconnect)

/** Everything a session needs to know, checked. */
export interface SessionPlan<T>
  extends Omit<StreamOptions<T>, keyof RequestOptions | 'lastEventId'> {
  readonly request: RequestPlan
  readonly fetch?: RequestOptions['fetch']
  readonly hooks?: ConnectionHooks<ServerSentEvent> & {
    gate?: Gate
    /** Lets the retry policy judge what is no `SseError`; without it, that ends the session. */
    wrap?: (thrown: unknown) => SseError
  }
  /** What the built-in policy is where the caller passed none. */
  readonly retryDefaults?: RetryOptions
}

/** The hands on a running session. */
export class SessionControl {
  /** Aborting it is the way to stop: everything the session holds is freed at once. The session
   * aborts it when it ends. */
  readonly stop: AbortController = new AbortController()
  /** Drops the connection or the wait, and connects now. Set by the session as it starts. */
  reconnect: () => void = () => {}
}

const RECONNECT = Symbol('reconnect')
const INTERRUPTED = Symbol('interrupted')

/**
 * The reconnect loop, the only one: every face folds over its steps. Returning says that the
 * stream is complete.
 *
 * @throws {SseError} what ended the stream
 * @throws the signal's reason, once that is aborted
 */
export async function* session<T>(
  plan: SessionPlan<T>,
  place: Place,
  control: SessionControl,
): AsyncGenerator<Step<T>, void, void> {
  const { signal } = control.stop
  const { request, retry, hooks, onReconnect } = plan
  // Nothing to do with the events is the common case: a batch goes through as it came.
  const plain = plan.until === undefined && !plan.decode && !plan.schema
  const gate = hooks?.gate ?? pageGate(plan, signal)
  const backoff = (typeof retry === 'object' ? retry : plan.retryDefaults) ?? {}
  let attempt = new AbortController()
  let number = 0
  let failures = 0
  let refreshed = false
  let error: SseError | undefined
  let waiting: Reconnect | undefined

  const callerAborts = () => control.stop.abort(plan.signal?.reason)
  plan.signal?.addEventListener('abort', callerAborts)
  // However the session ends, this signal is aborted, so this is where it lets go of everything.
  signal.addEventListener('abort', () => {
    plan.signal?.removeEventListener('abort', callerAborts)
    attempt.abort(signal.reason)
  })
  if (plan.signal?.aborted) callerAborts()
  control.reconnect = () => attempt.abort(RECONNECT)

  try {
    for (;;) {
      let ended: unknown
      let safe = true
      const pause = refreshed ? undefined : waiting
      let response: Response | undefined
      let openedAt = Number.POSITIVE_INFINITY
      try {
        yield pause ? { type: 'waiting', ...pause } : { type: 'connecting' }
        const interrupt = () => {
          // A request that cannot or must not be repeated is not given up.
          const mayEnd = !request.spent && (safe || retry || resumeHeader(place.lastEventId) !== '')
          if (mayEnd) attempt.abort(INTERRUPTED)
        }
        const asked = error?.code === 'status'
        await admit(gate, attempt.signal, interrupt, pause && { delay: pause.delay, asked })
        if (pause) yield { type: 'connecting' }
        number++
        const { lastEventId } = place
        const outgoing = await abortable(
          attempt.signal,
          request.build({ number, lastEventId, error, signal: attempt.signal }),
        )
        error = undefined
        safe = isSafe(outgoing.init.method)
        const connection = await connect(outgoing, attempt, place, {
          ...plan,
          ...hooks,
          onWake: () => retry === false || interrupt(),
        })
        response = connection.response
        openedAt = performance.now()
        let delivery = { events: [] } as Delivery<T>
        let seen = 0
        let failed = undefined as { thrown: unknown } | undefined
        yield {
          type: 'open',
          response,
          async read() {
            try {
              for (;;) {
                if (delivery.failure) throw delivery.failure
                // The chunk may go on after the terminal event, but the place does not.
                if (delivery.complete || signal.aborted) return undefined
                connection.settle()
                const batch = await connection.read()
                if (!batch) return undefined
                if (plain) delivery = { events: batch as ServerSentEvent<string, never>[] }
                else delivery = await abortable(signal, deliver(batch, plan, seen))
                seen += batch.length
                // Only an event proves the server healthy, so only an event resets the count.
                failures = 0
                if (delivery.events.length > 0) return delivery.events
              }
            } catch (thrown) {
              failed = { thrown }
              return undefined
            }
          },
        }
        if (signal.aborted) throw signal.reason
        if (failed) throw failed.thrown
        if (delivery.complete) return
        if (plan.until !== undefined) {
          throw new SseError(
            'truncated',
            'Expected the event that until names, got the end of the stream',
            { response, status: response.status },
          )
        }
      } catch (thrown) {
        ended = attempt.signal.aborted ? attempt.signal.reason : thrown
      }
      attempt.abort()
      if (signal.aborted) throw signal.reason
      attempt = new AbortController()
      if (ended === RECONNECT || ended === INTERRUPTED) {
        // The caller's word is a fresh start; what the page does is not.
        if (ended === RECONNECT) failures = 0
        waiting = undefined
        refreshed = false
        continue
      }
      if (ended === undefined || ended instanceof SseError) error = ended
      else if (hooks?.wrap) error = hooks.wrap(ended)
      else throw ended
      const status = error?.code === 'status' && error.status
      if (error) {
        error.attempt = number
        // "No Content" is the server's way to say: do not come back.
        if (status === 204) throw error
      } else if ((plan.onEnd ?? (safe ? 'reconnect' : 'complete')) === 'complete') {
        return
      }

      let delay: number | false = 0
      // A second in a row says that the fresh headers are no better.
      refreshed = status === 401 && request.refreshable && !refreshed
      if (!refreshed) {
        if (performance.now() - openedAt >= (backoff.resetAfter ?? 60_000)) failures = 0
        failures++
        response = error?.response ?? response
        const { lastEventId } = place
        delay = retryDelay(backoff, failures, place, response)
        const context = { error, attempt: number, failures, delay, lastEventId, response }
        delay = await abortable(signal, decide(context, retry, backoff, safe))
        if (delay === false) {
          if (error) throw error
          return
        }
      }
      if (request.spent) throw Object.assign(unrepeatable(error), { attempt: number })
      waiting = { error, delay, attempt: number }
      onReconnect?.(waiting)
    }
  } finally {
    control.stop.abort()
  }
}

/** The options that are not for `fetch`, with what `typeof` may say of those that a word covers. */
const OWN_OPTIONS = {
  connectTimeout: 'number',
  idleTimeout: 'number',
  maxEventSize: 'number',
  decode: 'function',
  onComment: 'function',
  onOpen: 'function',
  onReconnect: 'function',
  schema: 'function or object',
  until: 'string or function',
  lastEventId: 'string',
  pauseWhenHidden: 'boolean',
  waitForOnline: 'boolean',
  onEnd: '',
  onInvalid: '',
  retry: '',
  signal: '',
} as const

/**
 * Checks everything that can be known before the first request.
 *
 * @throws {TypeError | RangeError}
 */
export function planSession<T>(input: EventsInput, options: StreamOptions<T> = {}): SessionPlan<T> {
  const { signal, schema, decode, fetch } = options
  const isOwn = ([name]: [string, unknown]) => Object.hasOwn(OWN_OPTIONS, name)
  const given = Object.entries(options)
  const own = given.filter(isOwn)
  for (const [name, value] of own) {
    const types = OWN_OPTIONS[name as keyof typeof OWN_OPTIONS]
    if (types === 'number') expectNumber(name, value, Number.MIN_VALUE)
    else if (types) expectType(name, value, types)
  }
  expectOneOf('onEnd', options.onEnd, 'reconnect', 'complete')
  expectOneOf('onInvalid', options.onInvalid, 'throw', 'skip')
  expectSchema(schema)
  if (schema && decode) throw new TypeError('Expected decode or schema, got both')
  expectRetry(options.retry)
  if (signal && typeof signal.addEventListener !== 'function') {
    throw new TypeError(`Expected signal to be an AbortSignal, got ${typeof signal}`)
  }
  const request = planRequest(input, Object.fromEntries(given.filter((entry) => !isOwn(entry))))
  return { ...Object.fromEntries(own), fetch, request, signal: signal ?? request.signal }
}
