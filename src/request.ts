import { SseError } from './errors'
import { resumeHeader } from './place'
import { expectType } from './validate'

/**
 * One attempt at the stream: what the option functions are called with.
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
  /** The last event ID that this attempt sends. */
  readonly lastEventId: string
  /** What ended the previous attempt; `undefined` at first, and after a clean end. */
  readonly error: SseError | undefined
  /** Aborted when the attempt is given up: hand it to whatever the function waits for. */
  readonly signal: AbortSignal
}

/**
 * Where the stream is: a URL, a `Request` (cloned for each attempt), or a function that makes one.
 *
 * @example
 * ```ts
 * import { events } from 'tidings'
 *
 * // A new ticket for every attempt.
 * const feed = events(async () => `/api/feed?ticket=${await freshToken()}`)
 * ```
 */
export type EventsInput =
  | string
  | URL
  | Request
  | ((attempt: Attempt) => string | URL | Request | Promise<string | URL | Request>)

// By way of what `fetch` takes: Node's own types have no such global names.
export type HeadersGiven = NonNullable<RequestInit['headers']>

type Made<T> = T | ((attempt: Attempt) => T | Promise<T>)

/** What is sent; everything that `fetch` takes beside these passes through to it. */
export interface RequestOptions extends Omit<RequestInit, 'headers' | 'body' | 'signal'> {
  /**
   * Headers, or a function that makes them before **every** attempt: the place for a fresh token.
   * A function that fails ends the stream with code `auth`.
   */
  headers?: Made<HeadersGiven>
  /** As in `fetch`, or a function of the attempt. A stream can be sent once only. */
  body?: Made<RequestInit['body']>
  /** Serialised as the body, with `content-type: application/json`. Not together with `body`. */
  json?: unknown
  /**
   * Sends an `Idempotency-Key`, the same for every attempt, so that a server that knows it acts
   * once: your key, or `true` for one by chance. It does not by itself make a POST be repeated:
   * pass `retry` too. Default: none.
   */
  idempotencyKey?: string | true
  /**
   * Called as `fetch(url, init)`, with `init.headers` as an object that can be spread. Default:
   * `globalThis.fetch`, looked up at each attempt.
   */
  fetch?: (
    url: string,
    init: RequestInit & { headers: Record<string, string> },
  ) => Promise<Response>
}

/** The arguments of one `fetch` call. */
export interface OutgoingRequest {
  readonly url: string
  readonly init: RequestInit & { method: string; headers: Headers; signal: AbortSignal }
  /** The caller's headers must not follow a redirect to another origin. */
  readonly guarded: boolean
}

/** A validated request that can be built anew for each attempt. */
export interface RequestPlan {
  /** Whether a 401 can be answered by asking for headers again. */
  readonly refreshable: boolean
  /** The signal of a `Request`. */
  readonly signal: AbortSignal | undefined
  /** The body could be sent once only, and has been. */
  readonly spent: boolean
  build(attempt: Attempt): Promise<OutgoingRequest>
}

/** What of a `Request` its clone for an attempt keeps, beside URL, method, headers and body. */
const KEPT = [
  'mode',
  'credentials',
  'cache',
  'redirect',
  'referrer',
  'referrerPolicy',
  'integrity',
  'keepalive',
] as const

/**
 * Checks everything about the request that can be known before it is sent.
 *
 * @param accept - the `Accept` header where the caller gives none
 * @throws {TypeError} for a bad URL, header, body or method
 */
export function planRequest(
  input: EventsInput,
  { headers, body, json, idempotencyKey, fetch, ...init }: RequestOptions,
  accept = 'text/event-stream',
): RequestPlan {
  expectType('fetch', fetch, 'function')
  if (json !== undefined && body != null) throw new TypeError('Expected body or json, got both')
  const source =
    json === undefined
      ? (body ?? undefined)
      : typeof json === 'function'
        ? async (attempt: Attempt) => serialise(await json(attempt))
        : serialise(json)
  const methodFor = (request: Request | undefined) => {
    const method = init.method ?? request?.method ?? (source === undefined ? 'GET' : 'POST')
    if (source !== undefined && /^(GET|HEAD)$/i.test(method)) {
      throw new TypeError(`Expected no body with ${method}, got one. Use method: 'POST'`)
    }
    return method
  }
  const fixed = typeof input === 'function' ? undefined : locate(input, fetch)
  const request = asRequest(input)
  if (typeof headers !== 'function') toHeaders(headers)
  const method = methodFor(request)
  // The runtime knows the rest of RequestInit best: let it refuse now what it would refuse later.
  // Only then: a Request takes 10 microseconds on Node, and 5 kB while something holds it.
  if (Object.keys(init).length > 0) new Request('http://localhost', { ...init, method })
  const key = idempotencyKey === true ? randomKey() : idempotencyKey
  expectType('idempotencyKey', key, 'string')
  if (key !== undefined) toHeaders({ 'idempotency-key': key })

  const plan = {
    refreshable: typeof headers === 'function',
    signal: request?.signal,
    // Not a getter: V8 gives an object that has one a hidden class of its own.
    spent: false,
    async build(attempt: Attempt): Promise<OutgoingRequest> {
      if (plan.spent) throw unrepeatable(attempt.error)
      const target = typeof input === 'function' ? await input(attempt) : input
      const url = fixed ?? locate(target, fetch)
      const from = asRequest(target)
      const kept: RequestInit = {}
      if (from) {
        // What its caller did not set is not passed on as if asked for: some worker runtimes do
        // not know it.
        const plain = new Request('http://localhost', init)
        for (const name of KEPT) {
          if (from[name] !== plain[name]) Object.assign(kept, { [name]: from[name] })
        }
      }
      const method = methodFor(from)
      const outgoing = toHeaders(from?.headers)
      const own = typeof headers === 'function' ? await callHeaders(headers, attempt) : headers
      for (const [name, value] of toHeaders(own)) outgoing.set(name, value)
      const guarded = !(init.redirect ?? kept.redirect) && !outgoing.keys().next().done
      if (!outgoing.has('accept')) outgoing.set('accept', accept)
      if (json !== undefined && !outgoing.has('content-type')) {
        outgoing.set('content-type', 'application/json')
      }
      if (key !== undefined) outgoing.set('idempotency-key', key)
      const id = resumeHeader(attempt.lastEventId)
      if (id) outgoing.set('last-event-id', id)

      const payload =
        (typeof source === 'function' ? await source(attempt) : source) ?? (await copyBody(from))
      plan.spent = isOneShot(source)
      return {
        url,
        guarded,
        init: {
          // A cached event stream is a stale one; some worker runtimes do not know the option.
          ...('cache' in Request.prototype && { cache: 'no-store' }),
          ...kept,
          ...init,
          method,
          headers: outgoing,
          body: payload,
          ...(isOneShot(payload) && { duplex: 'half' }),
          signal: attempt.signal,
        },
      }
    },
  }
  return plan
}

export function unrepeatable(cause: SseError | undefined): SseError {
  return new SseError(
    'unrepeatable',
    'Expected a body that can be sent again, got a stream. Pass a function that makes one',
    { cause },
  )
}

/** Whether the method is safe to repeat by definition (RFC 9110, section 9.2.1). */
export function isSafe(method: string): boolean {
  return /^(GET|HEAD|OPTIONS)$/i.test(method)
}

function asRequest(input: unknown): Request | undefined {
  return typeof (input as Partial<Request> | null)?.clone === 'function'
    ? (input as Request)
    : undefined
}

// Not randomUUID, which pages have over https only.
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** What relative URLs are resolved against: a document's base, a worker's own URL, else nothing. */
export function baseUrl(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href
}

/** The absolute URL; messages never hold it, because URLs hold secrets. */
function locate(input: string | URL | Request, fetch: RequestOptions['fetch']): string {
  const request = asRequest(input)
  if (request?.bodyUsed) {
    throw new TypeError('Expected an unread Request, got a used one')
  }
  const base = baseUrl()
  let url: URL
  try {
    url = new URL(request ? request.url : (input as string), base)
  } catch {
    // A server-side framework's fetch may know what a path is relative to.
    if (!base && fetch && typeof input === 'string' && !/^(\w+:|\/\/)/.test(input)) return input
    throw new TypeError(`Expected a valid ${base ? '' : 'absolute '}URL`)
  }
  if (url.username || url.password) {
    throw new TypeError(
      'Expected a URL without user name and password. Use an Authorization header',
    )
  }
  if (!fetch && !/^(https?|data|blob):$/.test(url.protocol)) {
    throw new TypeError(`Expected an http or https URL, got ${url.protocol}`)
  }
  return url.href
}

/** Unlike `new Headers(init)`, names the bad header and keeps its value, a token perhaps, quiet. */
function toHeaders(init: HeadersGiven | undefined): Headers {
  expectType('headers', init ?? undefined, 'function or object')
  const headers = new Headers()
  const entries = init && Symbol.iterator in init ? init : Object.entries(init ?? {})
  for (const [name, value] of entries as Iterable<[string, string | undefined]>) {
    try {
      if (value !== undefined) headers.append(name, value)
    } catch {
      throw new TypeError(
        `Expected header ${JSON.stringify(name)} in Latin-1 without line breaks, got another`,
      )
    }
  }
  return headers
}

async function callHeaders(
  headers: (attempt: Attempt) => HeadersGiven | Promise<HeadersGiven>,
  attempt: Attempt,
): Promise<HeadersGiven> {
  try {
    return await headers(attempt)
  } catch (cause) {
    if (cause instanceof SseError && cause.code === 'auth') throw cause
    throw new SseError('auth', 'The headers function failed; its error is the cause', { cause })
  }
}

function serialise(json: unknown): string {
  const text = JSON.stringify(json)
  if (text === undefined) throw new TypeError(`Expected a JSON value, got ${typeof json}`)
  return text
}

function isOneShot(body: unknown): boolean {
  const source = body as Partial<ReadableStream> | undefined
  return !!(source?.getReader || source?.[Symbol.asyncIterator])
}

/** As bytes: every runtime can send those, over every version of HTTP, as often as it takes. */
async function copyBody(request: Request | undefined): Promise<ArrayBuffer | undefined> {
  const bytes = await request?.clone().arrayBuffer()
  return bytes?.byteLength ? bytes : undefined
}
