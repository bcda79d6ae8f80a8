import { ignore, Lifetime, time } from '../abort'
import { checkFetchEventSource } from '../development/options'
import { SseError, type SseErrorCode } from '../errors'
import type { EventStreamBlock } from '../parser/parser'
import type {
  Awaitable,
  FetchFunction,
  FetchInit,
  FetchRequest,
  FetchResponse,
  FetchSignal,
  FetchUrl,
} from '../platform'
import { Cursor } from '../session/cursor'
import { type AnySession, Session, type SessionPlan } from '../session/session'
import { refusal } from '../transport/exchange'
import { pairs, type RequestOptions, RequestPlan } from '../transport/request'

/**
 * The content type that a stream must have unless `onopen` says otherwise.
 *
 * @example
 * ```ts
 * import { EventStreamContentType, fetchEventSource } from 'tidings/fetch-event-source'
 *
 * await fetchEventSource('/api/feed', {
 *   async onopen(response) {
 *     if (response.headers.get('content-type') !== EventStreamContentType) throw new Error('No stream')
 *   },
 * })
 * ```
 */
export const EventStreamContentType = 'text/event-stream'

/**
 * One block of the stream.
 *
 * @example
 * ```ts
 * import { type EventSourceMessage, fetchEventSource } from 'tidings/fetch-event-source'
 *
 * const onmessage = ({ event, data }: EventSourceMessage) => show(event || 'message', data)
 * await fetchEventSource('/api/feed', { onmessage })
 * ```
 */
export interface EventSourceMessage {
  /** The block's own `id`; `''` where it has none. */
  id: string
  /** The `event` field; `''` where it has none. */
  event: string
  /** The `data` lines joined by LF; `''` where it has none. */
  data: string
  /** Milliseconds, where the block has a `retry` field. */
  retry?: number | undefined
}

/**
 * What the original takes, to the letter; everything else passes through to `fetch`.
 *
 * @example
 * ```ts
 * import { type FetchEventSourceInit, fetchEventSource } from 'tidings/fetch-event-source'
 *
 * const init: FetchEventSourceInit = {
 *   headers: { Authorization: `Bearer ${token}` },
 *   onmessage: (event) => show(event.data),
 *   // Milliseconds; a throw gives up.
 *   onerror: () => 5000,
 * }
 * await fetchEventSource('/api/feed', init)
 * ```
 */
export interface FetchEventSourceInit
  extends Omit<FetchInit, 'headers' | 'method' | 'body' | 'signal' | 'fetch'> {
  /** Default: `accept: text/event-stream`. */
  headers?: Record<string, string> | undefined
  /** Default: `GET`, or `POST` with a body. */
  method?: string | undefined
  /** As in `fetch`. A stream can be sent once only. */
  body?: FetchInit['body'] | undefined
  /** Ends the stream: the promise resolves, and nothing more is called. */
  signal?: FetchSignal | null | undefined
  /** Checks the response, in place of the check of its content type; a throw goes to `onerror`. */
  onopen?: ((response: FetchResponse) => Promise<void>) | undefined
  /** Called with every block of the stream; a throw goes to `onerror`. */
  onmessage?: ((event: EventSourceMessage) => void) | undefined
  /** Called when the server ends the stream; throw to reconnect, by way of `onerror`. */
  onclose?: (() => void) | undefined
  /**
   * Called with what went wrong. Throw to give up; return the milliseconds to wait before the next
   * attempt, or nothing for the reconnection time (1,000 until the server's `retry` changes it).
   */
  // biome-ignore lint/suspicious/noExplicitAny lint/suspicious/noConfusingVoidType: the original's type
  onerror?: ((error: any) => number | null | undefined | void) | undefined
  /**
   * Keeps the connection while the page is hidden. `false` closes it, and makes the request again
   * when the page is visible. Default: `false` for the methods GET, HEAD, OPTIONS, QUERY and REPORT,
   * `true` for the others, whose request may act twice.
   */
  openWhenHidden?: boolean | undefined
  /** Called with the input and what is sent, headers as a plain object. Default: `globalThis.fetch`. */
  fetch?: FetchFunction | undefined
}

/**
 * What `fetchEventSource` takes: more than the original does.
 *
 * @example
 * ```ts
 * import { type FetchEventSourceOptions, fetchEventSource } from 'tidings/fetch-event-source'
 *
 * const options: FetchEventSourceOptions = {
 *   // Asked before every attempt.
 *   headers: async () => ({ Authorization: `Bearer ${await freshToken()}` }),
 *   maxEventSize: 65_536, // UTF-16 code units
 *   onmessage: (event) => show(event.data),
 * }
 * await fetchEventSource('/api/feed', options)
 * ```
 */
export interface FetchEventSourceOptions
  extends Omit<FetchEventSourceInit, 'headers' | 'onerror' | 'fetch'> {
  /**
   * Headers, or a function that makes them before **every** attempt. The first 401 in a row to those
   * of a function is tried again at once, with fresh ones.
   */
  headers?: RequestOptions['headers'] | undefined
  /** As in {@link FetchEventSourceInit}, and may be async. */
  // biome-ignore lint/suspicious/noExplicitAny: the original's type
  onerror?: ((error: any) => Answer | Promise<Answer>) | undefined
  /**
   * The most UTF-16 units of a message's data, type and ID; one more goes to `onerror`, as an error
   * with code `too-large`. `Infinity` lifts it. Default: 16 Mi (16,777,216).
   */
  maxEventSize?: number | undefined
  /** As in {@link FetchEventSourceInit}; one that takes a URL as text only will do. */
  fetch?(input: FetchRequest | FetchUrl | string, init?: FetchInit): Promise<FetchResponse>
}

type Answer = ReturnType<NonNullable<FetchEventSourceInit['onerror']>>

// Methods, because their parameters are compared both ways: where the original's function goes, this
// one does, and the other way round. The last signature is what `Parameters` sees: the original's.
interface Signatures {
  fetchEventSource(
    input: FetchRequest | FetchUrl | string,
    init?: FetchEventSourceOptions,
  ): Promise<void>
  fetchEventSource(input: FetchRequest | string, init: FetchEventSourceInit): Promise<void>
}

/**
 * A drop-in for the function of `@microsoft/fetch-event-source` 2.0.1.
 *
 * Its promise resolves when the server ends the stream or the signal is aborted. It rejects with what
 * `onerror` throws, and at once with a `TypeError` for a request that can never be sent, or an
 * `SseError` with code `unrepeatable` for a body that cannot be sent again.
 *
 * @function
 *
 * @example
 * ```ts
 * import { fetchEventSource } from 'tidings/fetch-event-source'
 *
 * await fetchEventSource('/api/chat', {
 *   method: 'POST',
 *   body: JSON.stringify({ question }),
 *   onmessage: (event) => show(event.data),
 * })
 * ```
 */
export const fetchEventSource: Signatures['fetchEventSource'] = async (
  input: FetchRequest | FetchUrl | string,
  init: FetchEventSourceOptions = {},
): Promise<void> => {
  const given = Object(input) as Partial<Request>
  if (__DEV__) {
    // The headers are checked where they are sent: a seeded ID is not one yet.
    checkFetchEventSource({ ...init, headers: undefined })
    if (given.bodyUsed) throw new TypeError('Expected an unread Request, got a used one')
  }
  const {
    headers = given.headers,
    signal = given.signal,
    method = given.method,
    redirect = given.redirect === 'follow' ? undefined : given.redirect,
    body,
    fetch,
    onopen,
    onmessage,
    onclose,
    onerror,
    maxEventSize,
    openWhenHidden,
    ...rest
  } = init as FetchEventSourceOptions & Pick<RequestInit, 'redirect'>
  const cursor = new Cursor()
  // The names as the caller spells them: a `fetch` of theirs may look for one.
  const spelling = new Map<string, string>()
  const fresh = typeof headers === 'function'
  const own = fresh
    ? enveloped('auth', headers)
    : pairs(headers).filter(([name, value]) => {
        const key = name.toLowerCase()
        spelling.set(key, name)
        // The first ID may be seeded as a header; from then on the server's word counts.
        const seed = key === 'last-event-id' && value
        if (seed) cursor.lastEventId = seed
        return !seed && (key !== 'accept' || value !== '')
      })
  // Read once, and sent with every attempt. A used one throws.
  const copy = /^(GET|HEAD)$/.test(`${given.method}`) ? undefined : given.clone?.()
  let bytes: Promise<ArrayBuffer> | undefined
  const request = new RequestPlan(given.url ?? (input as string | FetchUrl), {
    ...rest,
    method,
    redirect,
    headers: own,
    body: body ?? (copy && (() => (bytes ??= copy.arrayBuffer()))),
    fetch,
  } as RequestOptions)

  let url: string | undefined
  const send = (to: string, { headers, ...init }: FetchInit & { headers: object }) => {
    url ??= to
    const sent = Object.entries(headers).map(([name, value]) => {
      const key = name.toLowerCase()
      return [spelling.get(key) ?? key, value]
    })
    // As the caller gave it, but for a redirect: a path stays one, and a `Request` all that it says.
    const target = to === url && !('href' in given) ? input : to
    const options = { ...init, headers: Object.fromEntries(sent) }
    return (fetch ?? globalThis.fetch)(target as string, options as never)
  }

  /** While the text of a refusal is read, which the session does not know of. */
  let reading: Lifetime | undefined
  let refused = false
  const accept = async (response: FetchResponse): Promise<boolean> => {
    const { status, headers } = response
    const again = refused
    refused = fresh && status === 401
    if (status === 204 || (onopen && (again || !refused))) return true
    const type = headers.get('content-type')
    const isStream = type?.startsWith(EventStreamContentType)
    const bad = status > 299
    if (isStream && !bad) return true
    reading = new Lifetime()
    throw await refusal(
      bad ? 'status' : 'content-type',
      isStream
        ? __DEV__ && `Expected a 2xx status, got ${status}`
        : `Expected content-type to be ${EventStreamContentType}, Actual: ${type}`,
      response as Response,
      reading,
    )
  }

  const take = (session: AnySession): undefined => {
    while (!session._over) {
      const block = session._parser?.next() as EventStreamBlock | undefined
      if (!block) return
      session._deliver(block as never)
      const { data = '', event = '', id = '', retry } = block
      try {
        onmessage?.({ data, event, id, retry })
      } catch (thrown) {
        throw envelope(thrown)
      }
    }
  }

  /** `onerror` is asked, and nothing else is decided meanwhile. */
  let asking = false
  const decide = async (session: AnySession): Promise<number | false> => {
    const { error, _sent: sent } = session
    // What could not even be sent is a mistake, unless a function of the caller's has failed.
    if (session._over || (error?.code === 'refused' && !sent)) return false
    let reason: unknown = error && opened(error)
    asking = true
    try {
      // Unlike `events`, as the original: a stream may end within a block.
      if (!error || error.code === 'truncated') {
        session.error = undefined
        try {
          onclose?.()
          return false
        } catch (thrown) {
          reason = thrown
        }
        if (session._over) return false
      }
      return time(await onerror?.(reason), session.reconnectionTime)
    } catch (thrown) {
      session.error = envelope(thrown)
      return false
    } finally {
      asking = false
    }
  }

  let shut = false
  const plan: SessionPlan = {
    _request: request,
    fetch: enveloped('network', send),
    signal,
    _take: take,
    _decide: decide,
    changed: () => reading?._end(undefined),
    reconnectionTime: 1000,
    // A page holds nothing up before it has been hidden.
    gate: () => (shut ? new Promise(ignore) : undefined),
    onEnd: 'reconnect',
    accept,
    onOpen: onopen,
    _parser: { maxEventSize, block: (block) => block as never },
    wrap: envelope,
    // Who is told by `onerror` needs no note on the console.
    ...(__DEV__ && onerror && { onReconnect: ignore }),
  }
  const session = new Session<undefined>(plan, cursor, take, undefined)
  const { document } = globalThis
  const look = () => {
    if (shut === document.hidden) return
    shut = document.hidden
    if (!asking && !request._spent) session.reconnect()
  }
  if (!(openWhenHidden ?? !request._safe)) document?.addEventListener('visibilitychange', look)
  try {
    await session.next()
  } catch (error) {
    if (session._over?.reason !== 'aborted') throw opened(error as SseError)
  } finally {
    document?.removeEventListener('visibilitychange', look)
  }
}

/** Takes what was thrown through the session, for `onerror` to get it back as it was. */
function envelope(cause: unknown, code: SseErrorCode = 'refused'): SseError {
  return new SseError(code, __DEV__ && 'The attempt failed; its error is the cause', { cause })
}

function opened(error: SseError): unknown {
  return 'cause' in error && error.code !== 'unrepeatable' ? error.cause : error
}

function enveloped<A extends unknown[], R>(
  code: SseErrorCode,
  run: (...args: A) => Awaitable<R>,
): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      return await run(...args)
    } catch (thrown) {
      throw envelope(thrown, code)
    }
  }
}
