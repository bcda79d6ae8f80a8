import { time } from '../abort'
import type { AnyEvent, ServerSentEvent } from '../parser/event'
import type { FetchResponse, FetchSignal } from '../platform'
import type { ConnectionOptions } from '../transport/connection'
import {
  type EventsInput,
  type RequestOptions,
  RequestPlan,
  type Resume,
} from '../transport/request'
import {
  type Decode,
  type Decoder,
  plainTake,
  type Take,
  type Taking,
  takeWith,
  type WatchingOptions,
} from './decode'
import type { Gate } from './gate'
import { decide, type RetryOptions, type RetryPolicy } from './retry'
import type { EventStreamStatus, Reconnect, SessionPlan } from './session'

/**
 * What a {@link Skip} sees of the stream.
 *
 * @example
 * ```ts
 * import type { Skip, StreamState } from 'tidings'
 *
 * const isFirst = ({ attempt }: StreamState) => attempt === 1
 * // A greeting, again at each reconnect.
 * const skip: Skip = ({ type }, _id, stream) => type === 'hello' && !isFirst(stream)
 * ```
 */
export interface StreamState {
  /** The number of the running attempt. */
  readonly attempt: number
  /** The response that the event came with. */
  readonly response: FetchResponse | undefined
  /** Where the stream is in its life. */
  readonly status: EventStreamStatus
  /** The last event ID. */
  readonly lastEventId: string
}

/**
 * Whether to pass an event over, before `decode`: it then moves neither the last event ID nor the
 * cursor. `id` is the one of the event's own block. `dedupe` makes one.
 *
 * @example
 * ```ts
 * import { events, type Skip } from 'tidings'
 *
 * const skip: Skip = ({ type }) => type === 'debug'
 * for await (const event of events('/api/feed', { skip })) show(event.data)
 * ```
 */
export type Skip = (event: ServerSentEvent, id: string | undefined, stream: StreamState) => boolean

/** The options that say nothing of the events' type. */
export interface CommonOptions extends RequestOptions, ConnectionOptions {
  /** Ends the stream with its reason. */
  signal?: FetchSignal | null | undefined
  /** The last event ID to begin with, sent as `Last-Event-ID`. Default: `''`, from the start. */
  lastEventId?: string | undefined
  /**
   * How the stream goes on, where its request must not simply be repeated. Default: safe methods by
   * the same request, others not at all.
   */
  resume?: Resume | undefined
  /** When to try again: options, a policy of your own, or `false` for never. */
  retry?: RetryOptions | RetryPolicy | false | undefined
  /**
   * What a clean end of the body means. Default: `'reconnect'` for the methods GET, HEAD, OPTIONS,
   * QUERY and REPORT, `'complete'` for the others.
   */
  onEnd?: 'reconnect' | 'complete' | undefined
  /**
   * What to do with an event without its blank line at the clean end of the body. `'drop'`, the
   * standard: it is not delivered, and the end is `truncated`, with its text in `error.body`.
   * `'deliver'`: it is delivered, and the end is clean. Default: `'drop'`.
   */
  incomplete?: 'drop' | 'deliver' | undefined
  /** Which statuses ask for fresh headers. Default: `[401]`. */
  authStatuses?: readonly number[] | undefined
  /** Passes over events before they are decoded. */
  skip?: Skip | undefined
  /**
   * Milliseconds for the whole way to an open stream: the functions of the request, `fetch`, `accept`
   * and `onOpen`. Default: none.
   */
  connectTimeout?: number | undefined
  /**
   * Milliseconds of silence before the connection is given up, or a function of the response. Every
   * byte is a sign of life, comments too; a slow consumer is not taken for silence. Default: none.
   */
  idleTimeout?: number | ((response: FetchResponse) => number | undefined) | undefined
  /**
   * The most UTF-16 units of an event's data, type and ID; one more fails with code `too-large`.
   * `Infinity` lifts it. Default: 16 Mi (16,777,216).
   */
  maxEventSize?: number | undefined
  /** Gives leave for each attempt: {@link Gate}. */
  gate?: Gate | undefined
  /** Called before each wait for a new attempt; a throw ends the stream. */
  onReconnect?: ((reconnect: Reconnect) => void) | undefined
  /** Called with the text of each comment, in its place between the events; a throw ends the stream. */
  onComment?: ((text: string) => void) | undefined
}

/** The options that every API shares. */
export type StreamOptions<E> = CommonOptions & WatchingOptions<E>

/**
 * Takes the options apart, for a session.
 *
 * @param stream - what `skip` sees
 */
export function planStream(
  input: EventsInput,
  options: StreamOptions<never> & { decode?: Decode<never> | Decoder<never> | undefined },
  reconnectionTime: number,
  stream: StreamState,
): SessionPlan {
  const {
    accept,
    authStatuses,
    connectTimeout,
    cursor,
    decode,
    gate,
    idleTimeout,
    incomplete,
    lastEventId: _,
    maxEventSize,
    onComment,
    onEnd,
    onOpen,
    onReconnect,
    resume,
    retry,
    signal,
    skip,
    until,
    ...rest
  } = options
  const finite = until !== undefined
  const request = new RequestPlan(input, rest)
  if (__DEV__ && onEnd === 'reconnect' && !resume && !request._safe) {
    throw new TypeError(
      `Expected resume beside onEnd: 'reconnect' for ${request.method}, got none. Use resume: 'same' where the request may be repeated`,
    )
  }
  const taking: Partial<Taking> & { _take: Take } =
    cursor || decode || skip || finite
      ? takeWith(
          { until, cursor, decode } as WatchingOptions<AnyEvent>,
          skip && ((event, id) => skip(event, id, stream)),
        )
      : { _take: plainTake }
  return {
    ...(options as StreamOptions<AnyEvent>),
    ...taking,
    _request: request,
    _decide: (session) => decide(session, retry),
    reconnectionTime,
    _finite: finite,
    resetAfter: time(Object(retry).resetAfter, undefined),
    _parser: { maxEventSize, onComment, incomplete: 'deliver' },
  }
}
