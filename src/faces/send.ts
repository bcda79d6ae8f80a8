import { abortReason, Lifetime } from '../abort'
import { SseError } from '../errors'
import type { FetchInit, FetchResponse, FetchSignal } from '../platform'
import { exchange, refusal } from '../transport/exchange'
import {
  type EventsInput,
  type OutgoingRequest,
  type RequestOptions,
  RequestPlan,
} from '../transport/request'

/**
 * What `send` passes on to `fetch`.
 *
 * @example
 * ```ts
 * import { EventSource, type SendInit } from 'tidings'
 *
 * const atOnce: SendInit = { signal: AbortSignal.timeout(5000) }
 * const source = new EventSource('/api/chat')
 * await source.send('typing', { by: 'Ada' }, atOnce)
 * ```
 */
export interface SendInit extends Omit<FetchInit, 'method' | 'headers' | 'body' | 'signal'> {
  /** Gives up the request. Default: none. */
  signal?: FetchSignal | null | undefined
}

/** What an event shares with its stream. */
type StreamRequest = Pick<
  RequestOptions & { authStatuses?: readonly number[] | undefined },
  'authStatuses' | 'credentials' | 'fetch' | 'headers' | 'redirect'
>

/**
 * Posts an event to the server as JSON, `{"type", "data"}`: an event stream goes one way only.
 * An answer of `authStatuses` makes the functions of the request be asked again, once.
 *
 * @throws {SseError} `status` on anything but a 2xx; `network`, `redirect`, `auth`
 */
export async function send(
  url: EventsInput,
  type: string,
  data: unknown,
  stream: StreamRequest,
  { signal, ...init }: SendInit = {},
): Promise<FetchResponse> {
  if (__DEV__ && !(type && typeof type === 'string')) {
    throw new TypeError('Expected the event type to be a string that is not empty')
  }
  const { authStatuses = [401], credentials, fetch, headers, redirect } = stream
  const json = { type, data }
  const plan = new RequestPlan(
    url,
    { credentials, redirect, ...init, fetch, headers, method: 'POST', json },
    '*/*',
  )
  let error: SseError | undefined
  let sent: Headers | undefined
  for (let number = 1; ; number++) {
    const life = new Lifetime()
    const stop = () => life._end(abortReason(signal as FetchSignal))
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop)
    try {
      life._check()
      const outgoing = (await plan._build(
        {
          number,
          lastEventId: '',
          cursor: '',
          first: undefined,
          error,
          sent,
          unauthorized: !!error,
          signal: life.signal,
        },
        life,
      )) as OutgoingRequest
      life._check()
      sent = outgoing.init.headers
      // Not the attempt's signal: the body of the response is the caller's to read.
      const own = { ...outgoing.init, signal } as OutgoingRequest['init']
      const response = await exchange({ ...outgoing, init: own }, life, fetch)
      if (response.ok) return response
      const { status } = response
      throw await refusal(
        'status',
        __DEV__ && `Expected a 2xx status in answer to the event sent, got ${status}`,
        response,
        life,
      )
    } catch (thrown) {
      if (!(thrown instanceof SseError)) throw thrown
      thrown.attempt = number
      const refused = authStatuses.includes(thrown.status as number)
      if (error || !plan._refreshable || !refused) throw thrown
      error = thrown
    } finally {
      signal?.removeEventListener('abort', stop)
      life._end(undefined)
    }
  }
}
