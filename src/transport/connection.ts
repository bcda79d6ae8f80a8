import type { Lifetime } from '../abort'
import { SseError, type SseErrorCode } from '../errors'
import type { Awaitable, FetchResponse } from '../platform'
import { refusal } from './exchange'

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

/** The last of several values that is a type counts (Fetch standard, extract a MIME type). */
const EVENT_STREAM = /(^|,)[\t ]*text\/event-stream[\t ]*(;[^,]*)?(,[^/]*)?$/i

/**
 * Whether a response is a stream.
 *
 * @param stopWatching - called once that is known to be wrong
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model
 * @throws {SseError} `status`, `content-type` or `refused`
 * @throws the reason of `life`, as soon as that ends
 */
export async function admit(
  response: Response,
  { accept, onOpen }: ConnectionOptions,
  life: Lifetime,
  stopWatching: () => void,
  statuses = /^20[012]$/,
): Promise<void> {
  const { status } = response
  const type = response.headers.get('content-type') ?? ''
  const code = !statuses.test(`${status}`)
    ? 'status'
    : EVENT_STREAM.test(type)
      ? 'refused'
      : 'content-type'
  try {
    if (!(accept ? await life._race(accept(response)) : code === 'refused')) {
      // It is refused, however long its text takes.
      stopWatching()
      throw await refusal(code, __DEV__ && describe(code, response, type), response, life)
    }
    life._check()
    await life._race(onOpen?.(response))
  } catch (cause) {
    life._check()
    if (cause instanceof SseError && cause.response === response) throw cause
    throw new SseError(
      'refused',
      __DEV__ && 'accept or onOpen threw on the response; what it threw is error.cause',
      { status, response, cause },
    )
  }
}

function describe(code: SseErrorCode, { status, statusText = '' }: Response, type: string): string {
  if (code === 'status') return `Expected status 200, got ${status} ${statusText}`.trim()
  if (code === 'refused') return 'Expected a response that accept takes, got another'
  const hint = /html/i.test(type) ? ': a login page, or the wrong URL?' : ''
  return `Expected content-type text/event-stream, got ${type || 'none'}${hint}`
}

/** A response without a body is an empty stream. */
export function openBody({ body }: Response): ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> {
  if (body === null) return new ReadableStream({ start: (empty) => empty.close() }).getReader()
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
