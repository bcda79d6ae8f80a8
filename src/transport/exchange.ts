import { ignore, type Lifetime, time } from '../abort'
import { placeOf, watchAnswer } from '../development/console'
import { isPassing, originOf, SseError, type SseErrorCode } from '../errors'
import type { FetchResponse } from '../platform'
import { isSafe, type OutgoingRequest, type RequestOptions } from './request'

/** Bytes. */
const EXCERPT = 65_536
/** Milliseconds. */
const EXCERPT_TIME = 1000
const MOST_REDIRECTS = 20

/**
 * Sends a request and returns its response, whatever the status.
 *
 * @throws {SseError} `network` or `redirect`
 * @throws the reason of `life`, at once when that ends
 */
export async function exchange(
  { url, init, _guarded: guarded }: OutgoingRequest,
  life: Lifetime,
  fetch: RequestOptions['fetch'],
): Promise<Response> {
  // A page cannot see where a redirect leads before it is followed; other runtimes can, and some of
  // them have a `location`.
  const { location, process } = globalThis as {
    location?: unknown
    process?: { versions?: object }
  }
  const watched =
    (guarded || !(isSafe(init.method) || init.redirect)) &&
    (!location || !!Object(process?.versions).node)
  let options: RequestInit = watched ? { ...init, redirect: 'manual' } : init
  for (let hops = 0; ; hops++) {
    life._check()
    const response = await call(url, options, life, fetch)
    // Some fetches follow whatever they are told.
    const target = response.redirected
      ? guarded && response.url
      : options !== init &&
        /^30[12378]$/.test(`${response.status}`) &&
        response.headers.get('location')
    const hidden = response.type === 'opaqueredirect'
    if (!target && !hidden) return response
    if (hidden && isSafe(init.method)) {
      // A page after all.
      options = init
      continue
    }
    url = follow(target || url, url, response, guarded)
    if (response.redirected) return response
    drop(response)
    // As fetch has it, these statuses would turn the method into GET.
    const turned =
      hidden || /^30([12] post$|3 (?!get$|head$))/i.test(`${response.status} ${init.method}`)
    if (hops === MOST_REDIRECTS || turned) {
      throw new SseError(
        'redirect',
        __DEV__ &&
          (turned
            ? `Expected a redirect that keeps the method ${init.method}, got status ${response.status}. A login page, or the wrong URL?`
            : `Expected at most ${MOST_REDIRECTS} redirects, got more`),
        { location: target ? url : undefined, response },
      )
    }
  }
}

/**
 * A refusal of `response`, with the first of its text; the rest is dropped and its socket freed.
 *
 * @throws the reason of `life`, at once when that ends
 */
export async function refusal(
  code: SseErrorCode,
  message: string | false,
  response: Response,
  life: Lifetime,
): Promise<SseError> {
  const { status } = response
  const retryAfter = askedWait(response)
  const word = response.headers.get('x-should-retry')
  const passes = isPassing(status) || (status === 409 && retryAfter !== undefined)
  return new SseError(code, message, {
    status,
    response,
    body: await excerpt(response, life),
    retryAfter,
    ...(code === 'status' && { retriable: word === 'true' || (passes && word !== 'false') }),
  })
}

/** A failure of the runtime's, with the system's code that Node hides in the cause of its error. */
export function networkError(
  message: string | false,
  cause: unknown,
  response?: FetchResponse,
): SseError {
  // A fetch of the caller's may know better.
  if (cause instanceof SseError) return cause
  // No more than the code: Deno's texts hold the URL.
  const code = __DEV__ && systemCode(cause)
  return new SseError(
    'network',
    __DEV__ && `${message}${code && ` (${code})`}; the runtime’s error is error.cause`,
    { cause, response },
  )
}

/** The system's word for what happened, such as `ECONNREFUSED`; `''` where the runtime has none. */
export function systemCode(thrown: unknown): string {
  const { code, cause } = Object(thrown)
  const name = Object(cause).code ?? code
  // The numbers are a DOMException's and say nothing.
  return typeof name === 'string' ? name : ''
}

/**
 * Milliseconds that a response asks a client to wait, by `retry-after-ms` or `Retry-After`: seconds,
 * or a date, judged by the response's own.
 */
export function askedWait({ headers }: FetchResponse): number | undefined {
  const exact = headers.get('retry-after-ms')
  const value = headers.get('retry-after') ?? ''
  const now = Date.parse(headers.get('date') ?? '') || Date.now()
  let wait: number | undefined
  if (/^\d+$/.test(value)) wait = Number(value) * 1000
  // V8 takes "-5" and "1.5" for dates.
  else if (/^[a-z]/i.test(value)) wait = Math.max(Date.parse(value) - now, 0)
  return time(exact ? Number(exact) : undefined, time(wait, undefined))
}

async function call(
  url: string,
  init: RequestInit,
  life: Lifetime,
  fetch: RequestOptions['fetch'] = globalThis.fetch as unknown as RequestOptions['fetch'],
): Promise<Response> {
  if (typeof fetch !== 'function') {
    throw new TypeError(
      __DEV__ ? `Expected fetch to be a function, got ${typeof fetch}` : 'No fetch',
    )
  }
  // In an async function, because a fetch may throw as well as reject.
  const sent = (async () =>
    (fetch as NonNullable<typeof fetch>)(url, {
      ...init,
      headers: spreadable(init.headers as Headers),
    } as never) as Promise<Response>)()
  if (__DEV__) watchAnswer(url, sent, life.signal)
  let response: Response
  try {
    response = await life._race(sent)
  } catch (cause) {
    if (life._ended) {
      // A fetch that does not heed the signal answers to nobody.
      sent.then(drop, ignore)
      throw life.reason
    }
    // As ky and ofetch have it, an error with a response is that response.
    const given = (cause as { response?: Response } | undefined)?.response
    if (cause instanceof SseError || typeof given?.headers?.get !== 'function') {
      throw networkError(
        __DEV__ &&
          `The request to ${placeOf(url)} failed: check the network, the URL, CORS and TLS`,
        cause,
      )
    }
    response = given
  }
  if (__DEV__ && typeof response?.headers?.get !== 'function') {
    throw new TypeError(`Expected fetch to return a Response, got ${typeof response}`)
  }
  return response
}

/**
 * A plain object, because what wraps a fetch spreads `init.headers`, and Headers would spread to
 * nothing; in the spelling that other libraries have taught, so that what is spread over it wins.
 */
function spreadable(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    Array.from(headers, ([name, value]) => [
      name === 'accept' ? 'Accept' : name === 'last-event-id' ? 'Last-Event-ID' : name,
      value,
    ]),
  )
}

/** Where a redirect leads; within the origin only, where it would carry the caller's headers. */
function follow(location: string, url: string, response: Response, guarded: boolean): string {
  let target: URL | undefined
  try {
    target = new URL(location, url)
    // What would make fetch refuse the URL, and quote it.
    target.username = target.password = ''
    if (!guarded || target.origin === originOf(url)) return target.href
  } catch {
    // An invalid URL is no place to send headers to either.
  }
  drop(response)
  throw new SseError(
    'redirect',
    __DEV__ &&
      `Expected a redirect within ${originOf(url) ?? 'the origin'}, got one to ${target?.origin ?? 'an invalid URL'}, which must not see the caller’s headers. Use that URL, or pass redirect: 'follow' to send them (fetch itself then takes Authorization off)`,
    { location: target?.href ?? location, response },
  )
}

/** A server may trickle its error page for ever: the cap is one of bytes and of time. */
async function excerpt({ body }: Response, life: Lifetime): Promise<string> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  const decoder = new TextDecoder()
  let text = ''
  // A cancel settles the pending read as done, whatever the source does about it.
  const cancel = () => void reader?.cancel().catch(ignore)
  const timer = setTimeout(cancel, EXCERPT_TIME)
  try {
    // Inside, because the body may be of no standard kind, or another's to read.
    reader = body?.getReader()
    for (let left = EXCERPT; reader && left > 0; ) {
      const { done, value } = await life._race(reader.read())
      if (done) break
      text += decoder.decode(value.subarray(0, left), { stream: true })
      left -= value.length
    }
  } catch {
    // What could be read is all there is to show: the refusal itself is the error.
    life._check()
  } finally {
    clearTimeout(timer)
    cancel()
  }
  return text
}

/** Not awaited: some implementations never settle a cancel. */
export function drop(response: FetchResponse | undefined): void {
  // Optional twice: neither the body nor its kind is certain where `fetch` is the caller's.
  ;(response as Response | undefined)?.body?.cancel?.().catch(ignore)
}
