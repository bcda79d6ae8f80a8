import { SseError } from './errors'

/** One attempt at the stream: what the option functions are called with. */
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

/** Where the stream is: a URL, a `Request` (cloned for each attempt), or a function that makes one. */
export type EventsInput =
  | string
  | URL
  | Request
  | ((attempt: Attempt) => string | URL | Request | Promise<string | URL | Request>)

type Made<T> = T | ((attempt: Attempt) => T | Promise<T>)

/** What is sent; everything that `fetch` takes beside these passes through to it. */
export interface RequestOptions extends Omit<RequestInit, 'headers' | 'body' | 'signal'> {
  /**
   * Headers, or a function that makes them before **every** attempt: the place for a fresh token.
   * A function that fails ends the stream with code `auth`.
   */
  headers?: Made<HeadersInit>
  /** As in `fetch`, or a function of the attempt. A stream can be sent once only. */
  body?: Made<BodyInit | null | undefined>
  /** Serialised as the body, with `content-type: application/json`. Not together with `body`. */
  json?: unknown
  /** Called as `fetch(url, init)`. Default: `globalThis.fetch`, looked up at each attempt. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>
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
  /** @throws {SseError} `unrepeatable` where the body could be sent once only, and has been */
  assertRepeatable(cause: SseError | undefined): void
  build(attempt: Attempt): Promise<OutgoingRequest>
}

// What a Request carries when its caller set nothing: passing these on as if they had been asked
// for breaks worker runtimes that do not know them.
const REQUEST_DEFAULTS = {
  mode: 'cors',
  credentials: 'same-origin',
  cache: 'default',
  redirect: 'follow',
  referrer: 'about:client',
  referrerPolicy: '',
  integrity: '',
  keepalive: false,
} as const

/**
 * Checks everything about the request that can be known before it is sent.
 *
 * @param accept - the `Accept` header where the caller gives none
 * @throws {TypeError} for a bad URL, header, body or method
 */
export function planRequest(
  input: EventsInput,
  options: RequestOptions,
  accept = 'text/event-stream',
): RequestPlan {
  const { headers, body, json, fetch, ...init } = options
  if (fetch !== undefined && typeof fetch !== 'function') {
    throw new TypeError(`Expected fetch to be a function, got ${typeof fetch}`)
  }
  if (json !== undefined && body != null) {
    throw new TypeError('Expected body or json, got both')
  }
  const fixed = typeof input === 'function' ? undefined : locate(input, fetch !== undefined)
  const request = fixed && isRequest(input) ? input : undefined
  const text = typeof json === 'function' ? undefined : serialise(json)
  const hasBody = json !== undefined || body != null
  const method = init.method ?? request?.method ?? (hasBody ? 'POST' : 'GET')
  if (hasBody && !mayHaveBody(method)) {
    throw new TypeError(`Expected no body with ${method}, got one. Use method: 'POST'`)
  }
  if (typeof headers !== 'function') toHeaders(headers)
  // The runtime knows the rest of RequestInit best: let it refuse now what it would refuse later.
  if (typeof Request === 'function') new Request('http://localhost', { ...init, method })
  const oneShot = isOneShot(body)
  let sent = false

  return {
    refreshable: typeof headers === 'function',
    signal: request?.signal,
    assertRepeatable(cause) {
      if (oneShot && sent) {
        throw new SseError(
          'unrepeatable',
          'Expected a body that can be sent again, got a stream. Pass body as a function that makes one for each attempt',
          { cause },
        )
      }
    },
    async build(attempt) {
      this.assertRepeatable(attempt.error)
      const target = typeof input === 'function' ? await input(attempt) : input
      const url = fixed ?? locate(target, fetch !== undefined)
      const from = isRequest(target) ? target : undefined
      const outgoing = toHeaders(from?.headers)
      const own = typeof headers === 'function' ? await callHeaders(headers, attempt) : headers
      for (const [name, value] of toHeaders(own)) outgoing.set(name, value)
      const guarded = init.redirect === undefined && !outgoing.keys().next().done
      if (!outgoing.has('accept')) outgoing.set('accept', accept)
      const id = headerValue(attempt.lastEventId)
      if (id) outgoing.set('last-event-id', id)

      const payload =
        typeof body === 'function'
          ? await body(attempt)
          : typeof json === 'function'
            ? serialise(await json(attempt))
            : (text ?? body ?? (await copyBody(from)))
      sent = true
      if (json !== undefined && !outgoing.has('content-type')) {
        outgoing.set('content-type', 'application/json')
      }
      return {
        url,
        guarded,
        init: {
          ...(from && differences(from)),
          // A cached event stream is a stale one; some worker runtimes do not know the option.
          ...(typeof Request === 'function' && 'cache' in Request.prototype
            ? { cache: 'no-store' }
            : undefined),
          ...init,
          method: init.method ?? from?.method ?? method,
          headers: outgoing,
          body: payload,
          ...(isOneShot(payload) ? { duplex: 'half' } : undefined),
          signal: attempt.signal,
        },
      }
    },
  }
}

/** Whether the method is safe to repeat by definition (RFC 9110, section 9.2.1). */
export function isSafe(method: string): boolean {
  return /^(GET|HEAD|OPTIONS)$/i.test(method)
}

function mayHaveBody(method: string): boolean {
  return !/^(GET|HEAD)$/i.test(method)
}

function isRequest(input: unknown): input is Request {
  return typeof input === 'object' && typeof (input as Request).clone === 'function'
}

/** What relative URLs are resolved against: a document's base, a worker's own URL, else nothing. */
export function baseUrl(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href
}

/** The absolute URL; messages never hold it, because URLs hold secrets. */
function locate(input: string | URL | Request, anyScheme: boolean): string {
  if (isRequest(input) && input.bodyUsed) {
    throw new TypeError('Expected an unread Request, got one whose body has been used')
  }
  const base = baseUrl()
  let url: URL
  try {
    url = new URL(isRequest(input) ? input.url : input, base)
  } catch {
    // A server-side framework's fetch may know what a path is relative to.
    if (!base && anyScheme && typeof input === 'string') return input
    throw new TypeError(
      base ? 'Expected a valid URL' : 'Expected a valid absolute URL: this runtime has no base URL',
    )
  }
  if (url.username || url.password) {
    throw new TypeError(
      'Expected a URL without user name and password. Send them in an Authorization header',
    )
  }
  if (!anyScheme && !/^(https?|data|blob):$/.test(url.protocol)) {
    throw new TypeError(`Expected an http or https URL, got ${url.protocol}`)
  }
  return url.href
}

/** Unlike `new Headers(init)`, names the bad header and keeps its value, a token perhaps, quiet. */
export function toHeaders(init: HeadersInit | undefined): Headers {
  const headers = new Headers()
  const entries = init && Symbol.iterator in init ? init : Object.entries(init ?? {})
  for (const [name, value] of entries as Iterable<[string, string | undefined]>) {
    if (value === undefined) continue
    try {
      headers.append(name, value)
    } catch {
      throw new TypeError(
        `Expected a header that HTTP can carry (Latin-1, no line breaks), got another in ${JSON.stringify(name)}`,
      )
    }
  }
  return headers
}

async function callHeaders(
  headers: (attempt: Attempt) => HeadersInit | Promise<HeadersInit>,
  attempt: Attempt,
): Promise<HeadersInit> {
  try {
    return await headers(attempt)
  } catch (cause) {
    if (attempt.signal.aborted || cause instanceof SseError) throw cause
    throw new SseError('auth', 'The headers function failed; its error is the cause', { cause })
  }
}

function serialise(json: unknown): string | undefined {
  const text = JSON.stringify(json)
  if (text === undefined && json !== undefined) {
    throw new TypeError(`Expected a json value, got a ${typeof json}`)
  }
  return text
}

function isOneShot(body: unknown): boolean {
  return (
    typeof body === 'object' &&
    body !== null &&
    ('getReader' in body || Symbol.asyncIterator in body)
  )
}

/**
 * The bytes of the ID in UTF-8, as `fetch` wants header values; `''` for one that HTTP cannot carry:
 * a reconnect without it beats none.
 */
function headerValue(lastEventId: string): string {
  let value = ''
  for (const byte of new TextEncoder().encode(lastEventId)) value += String.fromCharCode(byte)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to keep out
  return /[\0-\x08\x0a-\x1f\x7f]/.test(value) ? '' : value
}

/** As bytes: every runtime can send those, over every version of HTTP, as often as it takes. */
async function copyBody(request: Request | undefined): Promise<ArrayBuffer | undefined> {
  if (!request || !mayHaveBody(request.method)) return undefined
  const bytes = await request.clone().arrayBuffer()
  return bytes.byteLength > 0 ? bytes : undefined
}

function differences(request: Request): RequestInit {
  const init: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(REQUEST_DEFAULTS)) {
    const own = request[name as keyof typeof REQUEST_DEFAULTS]
    if (own !== undefined && own !== value) init[name] = own
  }
  return init
}
