import { abortable } from './abort'
import { SseError } from './errors'
import { exchange, refusal } from './exchange'
import { planRequest, type RequestOptions } from './request'

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
export type SendInit = Omit<RequestInit, 'method' | 'headers' | 'body'>

/**
 * Posts an event to the server as JSON, `{"type", "data"}`: an event stream goes one way only.
 * A 401 is answered once by asking the `headers` function again, as in a session.
 *
 * @throws {SseError} `status` on anything but a 2xx; `network`, `redirect`, `auth`
 */
export async function send(
  url: string | URL,
  type: string,
  data: unknown,
  { signal, ...options }: SendInit & Pick<RequestOptions, 'headers' | 'fetch'>,
): Promise<Response> {
  if (typeof type !== 'string' || type === '') {
    throw new TypeError('Expected the event type to be a string that is not empty')
  }
  const plan = planRequest(url, { ...options, method: 'POST', json: { type, data } }, '*/*')
  const until = signal ?? new AbortController().signal
  let error: SseError | undefined
  for (let number = 1; ; number++) {
    // Over when the attempt has failed: what made its headers learns by that that they were tried.
    const attempt = new AbortController()
    try {
      const making = plan.build({ number, lastEventId: '', error, signal: attempt.signal })
      const { init, ...outgoing } = await abortable(until, making)
      const response = await exchange(
        { ...outgoing, init: { ...init, signal: until } },
        options.fetch,
      )
      if (response.ok) return response
      const message = `Expected a 2xx status in answer to the event sent, got ${response.status}`
      throw await refusal('status', message, response, until)
    } catch (thrown) {
      attempt.abort()
      if (!(thrown instanceof SseError)) throw thrown
      error = thrown
      error.attempt = number
      if (error.status !== 401 || !plan.refreshable || number > 1) throw error
    }
  }
}
