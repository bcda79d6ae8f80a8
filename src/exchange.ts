import { abortable } from './abort'
import { SseError, type SseErrorCode } from './errors'
import { isSafe, type OutgoingRequest, type RequestOptions } from './request'

const EXCERPT_BYTES = 4096
const EXCERPT_TIME = 1000
const MOST_REDIRECTS = 20

/**
 * Sends a request and returns its response, whatever the status.
 *
 * @throws {SseError} `network` or `redirect`
 * @throws the reason of the request's signal, at once when that is aborted
 */
export async function exchange(
  request: OutgoingRequest,
  fetch: RequestOptions['fetch'] = globalThis.fetch,
): Promise<Response> {
  const { init, guarded } = request
  const { signal } = init
  // A page cannot see where a redirect leads before it is followed; other runtimes can.
  const watched = guarded && globalThis.location === undefined
  let { url } = request
  let options: RequestInit = watched ? { ...init, redirect: 'manual' } : init
  for (let hops = 0; ; hops++) {
    const response = await send(fetch, url, options, signal)
    const location =
      watched && /^30[12378]$/.test(`${response.status}`) && response.headers.get('location')
    if (!location) {
      if (guarded && response.redirected) sameOrigin(request.url, response.url)
      return response
    }
    drop(response)
    const target = new URL(location, url).href
    sameOrigin(request.url, target)
    if (hops === MOST_REDIRECTS) {
      throw new SseError('redirect', `Expected at most ${MOST_REDIRECTS} redirects, got more`)
    }
    url = target
    // As fetch does it: these statuses turn a POST into a GET (Fetch standard, HTTP-redirect fetch).
    if (
      response.status < 303
        ? init.method === 'POST'
        : response.status === 303 && !isSafe(init.method)
    ) {
      const headers = new Headers(init.headers)
      headers.delete('content-type')
      options = { ...options, method: 'GET', body: undefined, headers }
    }
  }
}

/** A refusal of `response`, with the first of its text; the rest is dropped and its socket freed. */
export async function refusal(
  code: SseErrorCode,
  message: string,
  response: Response,
  signal: AbortSignal,
): Promise<SseError> {
  const body = await excerpt(response, signal)
  return new SseError(code, message, { status: response.status, response, body })
}

async function send(
  fetch: NonNullable<RequestOptions['fetch']>,
  url: string,
  init: RequestInit,
  signal: AbortSignal,
): Promise<Response> {
  const sent = (async () => {
    let response: Response
    try {
      response = await fetch(url, init)
    } catch (cause) {
      throw new SseError(
        'network',
        'The request failed before a response came; the runtime’s error is the cause. Check the network, the URL, CORS and TLS',
        { cause },
      )
    }
    if (typeof response?.headers?.get !== 'function') {
      throw new TypeError(`Expected fetch to return a Response, got ${typeof response}`)
    }
    // A fetch that does not heed the signal answers to nobody.
    if (signal.aborted) drop(response)
    return response
  })()
  return abortable(signal, sent)
}

function sameOrigin(from: string, to: string): void {
  const [own, other] = [new URL(from).origin, new URL(to).origin]
  if (own !== other) {
    throw new SseError(
      'redirect',
      `Expected a redirect within ${own}, got one to ${other}, which must not see the caller’s headers. Use that URL, or pass redirect: 'follow' to send them`,
    )
  }
}

/** A server may trickle its error page for ever: the cap is one of bytes and of time. */
async function excerpt(response: Response, signal: AbortSignal): Promise<string> {
  if (!response.body || response.body.locked) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let left = EXCERPT_BYTES
  const cancel = () => reader.cancel().catch(() => {})
  const timer = setTimeout(cancel, EXCERPT_TIME)
  signal.addEventListener('abort', cancel)
  try {
    // A cancel settles the pending read as done, whatever the source does about it.
    for (let result = await reader.read(); !result.done && left > 0; result = await reader.read()) {
      const bytes = result.value.subarray(0, left)
      left -= bytes.length
      text += decoder.decode(bytes, { stream: true })
    }
  } catch {
    // What could be read is all there is to show: the refusal itself is the error.
  }
  clearTimeout(timer)
  signal.removeEventListener('abort', cancel)
  cancel()
  return text
}

/** Not awaited: some implementations never settle a cancel. */
export function drop(response: Response): void {
  response.body?.cancel().catch(() => {})
}
