import type { Lifetime } from '../abort'
import { SseError } from '../errors'
import type { Awaitable, FetchResponse } from '../platform'
import { drop, refusal } from './exchange'

/** What refuses, bounds and observes a connection. */
export interface ConnectionOptions {
  /**
   * Which responses are a stream. Default: those of status 200, 201 or 202 and of type
   * `text/event-stream`. A throw is code `refused`. Not asked about a 204, which ends the stream.
   */
  accept?: ((response: FetchResponse) => Awaitable<boolean>) | undefined
  /** Called with the response of each connection; a throw refuses it (code `refused`). */
  onOpen?: ((response: FetchResponse) => unknown) | undefined
}

/** The content type, where it is that of an event stream. */
const EVENT_STREAM = /^[\t ]*text\/event-stream[\t ]*(;|$)/i

/**
 * Whether a response is a stream.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model
 * @throws {SseError} `status`, `content-type` or `refused`
 * @throws the reason of `life`, as soon as that ends
 */
export async function admit(
  response: Response,
  { accept, onOpen }: ConnectionOptions,
  life: Lifetime,
  statuses = /^20[012]$/,
): Promise<void> {
  const { status, statusText = '', headers } = response
  const type = headers.get('content-type') ?? 'none'
  // Of several values, the last that is a type counts (Fetch standard, extract a MIME type).
  const last =
    type
      .split(',')
      .filter((value) => value.includes('/'))
      .pop() ?? ''
  const isStatus = statuses.test(`${status}`)
  const isType = EVENT_STREAM.test(last)
  try {
    if (!(accept ? await life.race(accept(response)) : isStatus && isType)) {
      throw isStatus
        ? isType
          ? await refusal('refused', __DEV__ && 'accept refused the response', response, life)
          : await refusal(
              'content-type',
              __DEV__ &&
                `Expected content-type text/event-stream, got ${type}${/html/i.test(type) ? ': a login page, or the wrong URL?' : ''}`,
              response,
              life,
            )
        : await refusal(
            'status',
            __DEV__ && `Expected status 200, got ${status} ${statusText}`.trim(),
            response,
            life,
          )
    }
    await life.race(onOpen?.(response))
  } catch (cause) {
    drop(response)
    life.check()
    if (cause instanceof SseError && cause.response === response) throw cause
    throw new SseError(
      'refused',
      __DEV__ && 'accept or onOpen refused the response; its error is the cause',
      { status, response, cause },
    )
  }
}

/** `undefined` for a response without a body: an empty stream. */
export function openBody({
  body,
}: Response): ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined {
  if (body === null) return undefined
  if (__DEV__ && typeof body?.getReader !== 'function') {
    throw new TypeError(
      'Expected a Response whose body is a ReadableStream, got none. Pass a fetch that streams',
    )
  }
  return body.getReader()
}

/** Lets the event loop turn once. A timer would cost browsers 4 ms, and hidden pages a second. */
export function turn(): Promise<unknown> {
  return new Promise((resolve) => {
    if (!globalThis.MessageChannel) return setTimeout(resolve)
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => resolve(port1.close())
    port2.postMessage(0)
  })
}
