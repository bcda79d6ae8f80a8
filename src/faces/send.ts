import { Lifetime } from '../abort'
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
  { signal, ...init }: SendInit & Pick<RequestOptions, 'headers' | 'fetch'>,
  authStatuses: readonly number[] = [401],
): Promise<FetchResponse> {
  if (__DEV__ && !(type && typeof type === 'string')) {
    throw new TypeError('Expected the event type to be a string that is not empty')
  }
  if (signal?.aborted) throw signal.reason
  const plan = new RequestPlan(url, { ...init, method: 'POST', json: { type, data } }, '*/*')
  let life = new Lifetime()
  const stop = () => life.end(signal?.reason)
  signal?.addEventListener('abort', stop)
  let number = 0
  let error: SseError | undefined
  let sent: Headers | undefined
  try {
    for (;;) {
      number++
      const attempt = {
        number,
        lastEventId: '',
        cursor: '',
        first: undefined,
        error,
        sent,
        unauthorized: number > 1,
        signal: life.signal,
      }
      const outgoing = (await plan.build(attempt, life)) as OutgoingRequest
      life.check()
      sent = outgoing.init.headers
      // Not the attempt's signal: the body of the response is the caller's to read.
      const own = { ...outgoing.init, signal } as OutgoingRequest['init']
      const response = await exchange({ ...outgoing, init: own }, life, init.fetch)
      if (response.ok) return response
      const { status } = response
      error = await refusal(
        'status',
        __DEV__ && `Expected a 2xx status in answer to the event sent, got ${status}`,
        response,
        life,
      )
      if (number > 1 || !plan.refreshable || !authStatuses.includes(status)) throw error
      // Over: what made the headers learns by that that they were tried.
      life.end(error)
      life = new Lifetime()
    }
  } catch (thrown) {
    if (thrown instanceof SseError) thrown.attempt = number
    throw thrown
  } finally {
    signal?.removeEventListener('abort', stop)
    life.end(undefined)
  }
}
