import type { Lifetime } from '../abort'
import { noteUnsendable } from '../development/console'
import {
  checkHeader,
  checkHeaders,
  checkInput,
  checkRequest,
  refusedInit,
} from '../development/options'
import { isPassing, originOf, SseError } from '../errors'
import type {
  Awaitable,
  FetchInit,
  FetchResponse,
  FetchSignal,
  FetchUrl,
  HeadersLike,
} from '../platform'

/**
 * One attempt at the stream: what the functions of the request are called with.
 *
 * @example
 * ```ts
 * import { type Attempt, events } from 'tidings'
 *
 * const headers = ({ number }: Attempt) => ({ 'X-Attempt': String(number) })
 * const feed = events('/api/feed', { headers })
 * ```
 */
export interface Attempt {
  /** 1 for the first attempt of a session. */
  readonly number: number
  /** The last event ID, as the standard keeps it. */
  readonly lastEventId: string
  /** Where the stream goes on; `''` at its start. */
  readonly cursor: string
  /** The first accepted response of the stream; its body may have been read. */
  readonly first: FetchResponse | undefined
  /** What ended the previous attempt; `undefined` at first, and after a clean end. */
  readonly error: SseError | undefined
  /** The headers that the previous attempt sent. */
  readonly sent: HeadersLike | undefined
  /** Whether the previous attempt was answered by one of `authStatuses`. */
  readonly unauthorized: boolean
  /** Aborted when the attempt is over: hand it to whatever the function waits for. */
  readonly signal: FetchSignal
}

type Json = (attempt: Attempt) => unknown

type Made<T> = T | ((attempt: Attempt) => Awaitable<T>)

/**
 * Headers as `fetch` takes them; `null` leaves a header out that would be sent without it.
 *
 * @example
 * ```ts
 * import { events, type HeadersOption } from 'tidings'
 *
 * const headers: HeadersOption = { Authorization: `Bearer ${token}`, 'Last-Event-ID': null }
 * const feed = events('/api/feed', { headers })
 * ```
 */
export type HeadersOption =
  | Iterable<readonly [string, string | null | undefined]>
  | readonly (readonly string[])[]
  | { readonly [name: string]: string | null | undefined }

/**
 * Where the stream is: a URL, or a function that makes one for each attempt.
 *
 * @example
 * ```ts
 * import { events } from 'tidings'
 *
 * // A new ticket for every attempt.
 * const feed = events(async () => `/api/feed?ticket=${await freshToken()}`)
 * ```
 */
export type EventsInput = Made<string | FetchUrl>

/**
 * A request that goes on with a stream: what a {@link Resume} function may return.
 *
 * @example
 * ```ts
 * import { events, type ResumeRequest } from 'tidings'
 *
 * const resume = ({ cursor }: { cursor: string }): ResumeRequest => ({
 *   input: '/api/runs/resume',
 *   json: { after: cursor },
 * })
 * const run = events('/api/runs', { json: { question }, resume })
 * ```
 */
export interface ResumeRequest {
  /** The URL, resolved against that of the first response. */
  input: string | FetchUrl
  /** Default: `GET`, or `POST` with a body. */
  method?: string | undefined
  /** Default: the stream's own, without `Content-*` where there is no body. */
  headers?: HeadersOption | undefined
  /** Serialised as the body, with `content-type: application/json`. */
  json?: unknown
  /** As in `fetch`. */
  body?: unknown
}

/**
 * How a stream goes on: `'same'` says that the same request does (or is harmless), a function makes
 * every request after the first accepted one. `undefined`, `null` or `''` says that there is nothing
 * to go on from.
 *
 * @example
 * ```ts
 * import { events, type Resume } from 'tidings'
 *
 * // POST once, then GET what its answer names.
 * const resume: Resume = ({ first, cursor }) => {
 *   const run = first.headers.get('location')
 *   return run && `${run}?after=${cursor}`
 * }
 * const run = events('/api/runs', { json: { question }, resume })
 * ```
 */
export type Resume =
  | 'same'
  | ((
      attempt: Attempt & { readonly first: FetchResponse },
    ) => Awaitable<string | FetchUrl | ResumeRequest | null | undefined>)

/** What is sent; everything that `fetch` takes beside these passes through to it. */
export interface RequestOptions
  extends Omit<FetchInit, 'headers' | 'body' | 'signal' | 'method' | 'fetch'> {
  /**
   * Headers, or a function that makes them before **every** attempt: the place for a fresh token.
   * Yours win over ours (`Accept`, `Content-Type`, `Last-Event-ID`); `null` leaves one out.
   */
  headers?: Made<HeadersOption> | undefined
  /** Default: `GET`, or `POST` with a body. */
  method?: string | undefined
  /** As in `fetch`, or a function of the attempt. A stream can be sent once only. */
  // biome-ignore lint/suspicious/noExplicitAny: what `fetch` takes differs between runtimes
  body?: Made<any> | undefined
  /**
   * Serialised as the body, with `content-type: application/json`; or a function of the attempt. Not
   * together with `body`.
   */
  // biome-ignore lint/complexity/noBannedTypes: anything but `undefined`
  json?: Json | {} | null | undefined
  /**
   * Called as `fetch(url, init)`, with `init.headers` as an object that can be spread. Default:
   * `globalThis.fetch`, looked up at each attempt.
   */
  fetch?:
    | ((
        url: string,
        init: FetchInit & { headers: Record<string, string> },
      ) => Promise<FetchResponse>)
    | undefined
}

/** The arguments of one `fetch` call. */
export interface OutgoingRequest {
  readonly url: string
  readonly init: RequestInit & { method: string; headers: Headers; signal: AbortSignal }
  /** The caller's headers must not follow a redirect to another origin. */
  readonly _guarded: boolean
  /** The body can be sent only once. */
  readonly _once: boolean
}

/** Whether the method is safe to repeat by definition (RFC 9110, section 9.2.1, and its registry). */
export function isSafe(method: string): boolean {
  return /^(GET|HEAD|OPTIONS|QUERY|REPORT)$/i.test(method)
}

/** A request that is built anew for each attempt. */
export class RequestPlan {
  readonly method: string
  readonly _safe: boolean
  /** Whether an answer of `authStatuses` can be answered by asking the functions again. */
  _refreshable: boolean
  /** The body could be sent only once, and has been. */
  _spent = false
  private readonly _own: Omit<RequestOptions, 'fetch'> & { readonly input: EventsInput }
  private readonly _fetch: RequestOptions['fetch']
  private readonly _init: RequestInit
  private readonly _accept: string
  /** Method and body, of the last request that the runtime has taken. */
  private _checked: string | undefined
  /** @internal Of the last request that `input` led to. */
  _url: string | undefined

  constructor(input: EventsInput, options: RequestOptions, accept = 'text/event-stream') {
    const { headers, body, json, method, fetch, ...init } = options
    // An iterator can be read once only.
    const lasting = typeof headers === 'function' ? headers : pairs(headers)
    this._own = { input, method, headers: lasting as HeadersOption, body, json }
    this._fetch = fetch
    this._init = init as RequestInit
    this._accept = accept
    this.method = methodOf(this._own)
    this._safe = isSafe(this.method)
    this._refreshable = typeof headers === 'function' || typeof input === 'function'
    if (__DEV__) checkRequest({ ...this._own, fetch }, { ...init, method: this.method })
  }

  /**
   * @param resume - makes the request in place of `input`, once a response has been accepted
   * @returns `undefined` where `resume` finds nothing to go on from
   * @throws {TypeError} for what can never be sent
   * @throws {SseError} what a function of the caller's has failed with
   */
  async _build(
    attempt: Attempt,
    life: Lifetime,
    resume?: Resume,
  ): Promise<OutgoingRequest | undefined> {
    const { _own: stream } = this
    const { first } = attempt
    const made = <T>(given: T | ((attempt: Attempt) => Awaitable<T>)) =>
      typeof given === 'function' ? call<T>(life, given as never, attempt) : given
    let request: Omit<ResumeRequest, 'headers'> & { headers?: Made<HeadersOption> | undefined }
    const resumed = typeof resume === 'function' && first
    if (resumed) {
      const answer = await made(
        resume as Made<string | FetchUrl | ResumeRequest | null | undefined>,
      )
      if (!answer) return undefined
      request = typeof answer === 'string' || 'href' in answer ? { input: answer } : answer
    } else {
      if (this._spent) throw unrepeatable(attempt.error)
      request = { ...stream, input: await made(stream.input) }
    }
    const { headers = stream.headers, json } = request
    const base = resumed ? first.url || this._url : undefined
    const url = locate(request.input, this._fetch, base)
    if (!resumed) this._url = url
    else if (!request.headers && originOf(url) !== originOf(this._url)) {
      throw new SseError(
        'redirect',
        __DEV__ &&
          `Expected resume to stay within ${originOf(this._url)}, got ${originOf(url)}, which must not see the stream’s headers. Return an object with headers of its own`,
        { location: url },
      )
    }
    const method = methodOf(request)

    const outgoing = new Headers()
    const ours: Record<string, string> = {
      accept: this._accept,
      'content-type': json === undefined ? '' : 'application/json',
      'last-event-id': resumeHeader(attempt.lastEventId),
    }
    const given = pairs(await made(headers))
    if (__DEV__ && attempt.lastEventId && !ours['last-event-id']) noteUnsendable(url, given)
    for (const [name, value] of given) {
      const key = `${name}`.toLowerCase()
      const stray = !request.headers && isBare(request) && key.startsWith('content-')
      // What never changes says only where the stream begins.
      const fixed = headers === stream.headers && typeof headers !== 'function' && value !== null
      const old = fixed && key === 'last-event-id' && ours[key]
      if (value === undefined || stray || old) continue
      ours[key] = ''
      if (__DEV__) checkHeader(name, value)
      try {
        if (value !== null) outgoing.append(name, value)
      } catch {
        // Not the runtime's message: that quotes the value, a token perhaps.
        throw misuse()
      }
    }
    const guarded = !this._init.redirect && !outgoing.keys().next().done
    for (const [name, value] of Object.entries(ours)) if (value) outgoing.set(name, value)

    let payload: BodyInit | undefined
    if (json === undefined) payload = (await made(request.body)) as BodyInit | undefined
    else {
      const value = await made(json)
      payload = JSON.stringify(value)
      if (payload === undefined) {
        throw misuse(__DEV__ && `Expected a JSON value, got ${typeof value}`)
      }
    }
    // The runtime knows the rest of RequestInit best: let it refuse now what it would refuse later.
    const { Request } = globalThis
    // A stand-in for the body, which can be read once only.
    const sample = { ...this._init, method, body: payload && '' }
    const kind = method + (payload == null)
    try {
      if (Request && this._checked !== kind) new Request('http://localhost', sample)
      this._checked = kind
    } catch (thrown) {
      throw misuse(__DEV__ && refusedInit(sample, thrown))
    }
    const source = Object(payload)
    const once = !!(source.getReader || source[Symbol.asyncIterator])
    return {
      url,
      _guarded: guarded,
      _once: once && payload === stream.body,
      init: {
        // A cached event stream is a stale one; some worker runtimes do not know the option.
        ...(Request && 'cache' in Request.prototype && { cache: 'no-store' }),
        ...this._init,
        method,
        headers: outgoing,
        body: payload,
        ...(once && { duplex: 'half' }),
        signal: attempt.signal,
      } as OutgoingRequest['init'],
    }
  }
}

type Sent = Pick<RequestOptions, 'method' | 'body' | 'json'>

const isBare = ({ body, json }: Sent): boolean => body == null && json === undefined

const methodOf = (request: Sent): string => request.method ?? (isBare(request) ? 'GET' : 'POST')

export function unrepeatable(
  cause?: SseError,
  message: string | false = __DEV__ &&
    'Expected a body that can be sent again, got a stream. Pass a function that makes one',
): SseError {
  return new SseError('unrepeatable', message, cause && { cause })
}

/** What relative URLs are resolved against: a document's base, a worker's own URL, else nothing. */
export function baseUrl(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href
}

/** UTF-16 units: servers and proxies refuse headers over 8 or 16 KiB, all of them together. */
const LONGEST_ID = 8192

/**
 * The ID as `Last-Event-ID` carries it, its UTF-8 bytes as `fetch` wants header values; `''` for one
 * that HTTP cannot carry: a reconnect without it beats none.
 */
export function resumeHeader(lastEventId: string): string {
  let value = ''
  for (const byte of new TextEncoder().encode(lastEventId)) value += String.fromCharCode(byte)
  return /^(?!\s*$)[\t -~\x80-\xff]+$/.test(value) && value.length <= LONGEST_ID ? value : ''
}

/** A mistake of the caller's: final, because no later attempt can go better. */
function misuse(message: string | false = false): TypeError {
  return new TypeError(message || 'Invalid request')
}

/** The URL to ask for; messages never hold it, because URLs hold secrets. */
export function locate(
  input: string | FetchUrl,
  fetch: RequestOptions['fetch'],
  base = baseUrl(),
): string {
  if (__DEV__) checkInput(input)
  const text = `${input}`
  const absolute = /^[-+.\w]+:/.test(text)
  let url: URL
  try {
    url = new URL(text, base)
  } catch {
    // A server-side framework's fetch may know what a path is relative to.
    if (!originOf(base) && fetch && !absolute && !text.startsWith('//')) return text
    throw misuse(__DEV__ && `Expected a valid ${base ? '' : 'absolute '}URL`)
  }
  if (url.username || url.password) {
    throw misuse(
      __DEV__ && 'Expected a URL without user name and password. Use an Authorization header',
    )
  }
  if (!fetch && !/^(https?|data|blob):/.test(url.href)) {
    throw misuse(__DEV__ && `Expected an http or https URL, got ${url.protocol}`)
  }
  // As its caller wrote it: React Native's URL puts a slash behind it.
  return absolute ? text : url.href
}

export function pairs(headers: HeadersOption | undefined): [string, string | null | undefined][] {
  if (__DEV__) checkHeaders('headers', headers)
  const given = Object(headers)
  return Array.from(
    (Symbol.iterator in given ? given : Object.entries(given)) as Iterable<[string, string]>,
  )
}

async function call<T>(
  life: Lifetime,
  make: (attempt: Attempt) => Awaitable<T>,
  attempt: Attempt,
): Promise<T> {
  try {
    life._check()
    return await life._race(make(attempt))
  } catch (thrown) {
    life._check()
    throw judge(thrown)
  }
}

/**
 * What the failure of a caller's function means. Network failures are known by their shape, as six
 * runtimes have six texts; `retriable` is left open where nothing says whether it passes.
 */
function judge(thrown: unknown): SseError {
  const { status: own, response, cause, retriable, code } = Object(thrown)
  const status = own ?? response?.status ?? cause?.status
  const passes =
    retriable !== false &&
    (status > 0
      ? isPassing(status)
      : retriable || isNetworkFailure(thrown) || isNetworkFailure(cause) || undefined)
  if (thrown instanceof SseError && (passes || code === 'auth')) {
    if (code === 'auth') thrown.retriable = false
    return thrown
  }
  return new SseError(
    passes ? 'network' : 'auth',
    __DEV__ &&
      'A function of the request (input, resume, headers, body or json) failed; its error is error.cause',
    { cause: thrown, retriable: passes ?? true },
  )
}

/** So say `fetch`, axios, ofetch, ky and the sockets of Node, Deno and Bun. */
function isNetworkFailure(thrown: unknown): boolean {
  const { name, code } = Object(thrown)
  return /^(Type|Timeout)Error$/.test(name) || (typeof code === 'string' && /^[A-Z]/.test(code))
}
