import { abortable } from './abort'
import { SseError, type SseErrorCode } from './errors'
import type { HeadersGiven, OutgoingRequest, RequestOptions } from './request'

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
  // A page cannot see where a redirect leads before it is followed; other runtimes can.
  const watched = guarded && globalThis.location === undefined
  let { url } = request
  let options: RequestInit = watched ? { ...init, redirect: 'manual' } : init
  for (let hops = 0; ; hops++) {
    const response = await call(fetch, url, options, init.signal)
    // Some fetches follow whatever they are told.
    const location = response.redirected
      ? guarded && response.url
      : watched && /^30[12378]$/.test(`${response.status}`) && response.headers.get('location')
    if (!location) return response
    url = follow(location, url, response)
    if (response.redirected) return response
    drop(response)
    if (hops === MOST_REDIRECTS) {
      throw new SseError('redirect', `Expected at most ${MOST_REDIRECTS} redirects, got more`)
    }
    // As fetch does it: these statuses turn a POST into a GET (Fetch standard, HTTP-redirect fetch).
    if (/^30([12] post$|3 (?!get$|head$))/i.test(`${response.status} ${init.method}`)) {
      const headers = new Headers(init.headers)
      headers.delete('content-type')
      options = { ...options, method: 'GET', body: undefined, headers }
    }
  }
}

/**
 * A refusal of `response`, with the first of its text; the rest is dropped and its socket freed.
 *
 * @throws the signal's reason, at once when that is aborted
 */
export async function refusal(
  code: SseErrorCode,
  message: string,
  response: Response,
  signal: AbortSignal,
): Promise<SseError> {
  const body = await excerpt(response, signal)
  return new SseError(code, message, { status: response.status, response, body })
}

/** A failure of the runtime's, with the system's code that Node hides in the cause of its error. */
export function networkError(message: string, cause: unknown, response?: Response): SseError {
  // A fetch of the caller's may know better.
  if (cause instanceof SseError) return cause
  const { code, cause: inner } = Object(cause)
  const name = inner?.code ?? code
  // The numbers are a DOMException's and say nothing. No more than the code: Deno's texts hold the URL.
  const hint = typeof name === 'string' ? ` (${name})` : ''
  return new SseError('network', `${message}${hint}; the runtime’s error is the cause`, {
    cause,
    response,
    status: response?.status,
  })
}

async function call(
  fetch: NonNullable<RequestOptions['fetch']>,
  url: string,
  init: RequestInit,
  signal: AbortSignal,
): Promise<Response> {
  // Aborted in the microtasks since it was built: a fetch that does not heed the signal would send it.
  if (signal.aborted) throw signal.reason
  // In an async function, because a fetch may throw as well as reject.
  const sent = (async () => fetch(url, { ...init, headers: spreadable(init.headers) }))()
  let response: Response
  try {
    response = await abortable(signal, sent)
  } catch (cause) {
    if (!signal.aborted) {
      throw networkError('The request failed: check the network, the URL, CORS and TLS', cause)
    }
    // A fetch that does not heed the signal answers to nobody.
    sent.then(drop, () => {})
    throw signal.reason
  }
  if (typeof response?.headers?.get !== 'function') {
    throw new TypeError(`Expected fetch to return a Response, got ${typeof response}`)
  }
  return response
}

/**
 * A plain object, because what wraps a fetch spreads `init.headers`, and Headers would spread to
 * nothing; in the spelling that other libraries have taught, so that what is spread over it wins.
 */
function spreadable(headers: HeadersGiven | undefined): Record<string, string> {
  const spelling: Record<string, string> = { accept: 'Accept', 'last-event-id': 'Last-Event-ID' }
  const entries = [...new Headers(headers)]
  return Object.fromEntries(entries.map(([name, value]) => [spelling[name] ?? name, value]))
}

/** Where a redirect leads, if that is within the origin. */
function follow(location: string, url: string, response: Response): string {
  let own = 'the origin'
  let other = 'an invalid URL'
  try {
    own = new URL(url).origin
    const target = new URL(location, url)
    other = target.origin
    // What would make fetch refuse the URL, and quote it.
    target.username = target.password = ''
    if (own === other) return target.href
  } catch {
    // An invalid URL is no place to send headers to either.
  }
  drop(response)
  throw new SseError(
    'redirect',
    `Expected a redirect within ${own}, got one to ${other}, which must not see the caller’s headers. Use that URL, or pass redirect: 'follow' to send them`,
  )
}

/** A server may trickle its error page for ever: the cap is one of bytes and of time. */
async function excerpt({ body }: Response, signal: AbortSignal): Promise<string> {
  let text = ''
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  const read = async () => {
    reader = body?.getReader()
    const decoder = new TextDecoder()
    for (let left = EXCERPT_BYTES; reader && left > 0; ) {
      const { done, value } = await reader.read()
      if (done) return
      const bytes = value.subarray(0, left)
      left -= bytes.length
      text += decoder.decode(bytes, { stream: true })
    }
  }
  // A cancel settles the pending read as done, whatever the source does about it.
  const cancel = () => reader?.cancel().catch(() => {})
  const timer = setTimeout(cancel, EXCERPT_TIME)
  // What could be read is all there is to show: the refusal itself is the error.
  await abortable(signal, read()).catch(() => {})
  clearTimeout(timer)
  cancel()
  if (signal.aborted) throw signal.reason
  return text
}

/** Not awaited: some implementations never settle a cancel. */
export function drop(response: Response): void {
  // Optional twice: neither the body nor its kind is certain where `fetch` is the caller's.
  response?.body?.cancel?.().catch(() => {})
}
