import { SseError } from './errors'
import { refusal } from './exchange'
import { type Gate, pageGate } from './gate'
import { EventStreamParser, type ParserOptions, type ServerSentEvent } from './parser'
import { Place } from './place'
import { planRequest, type RequestOptions, type RequestPlan } from './request'
import { SessionControl, session } from './session'

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
  retry?: number
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
export interface FetchEventSourceInit extends RequestInit {
  /** Default: `accept: text/event-stream`. */
  headers?: Record<string, string>
  /** Checks the response, in place of the check of its content type; a throw goes to `onerror`. */
  onopen?: (response: Response) => Promise<void>
  /** Called with every block of the stream; a throw goes to `onerror`. */
  onmessage?: (event: EventSourceMessage) => void
  /** Called when the server ends the stream; throw to reconnect, by way of `onerror`. */
  onclose?: () => void
  /**
   * Called with what went wrong. Throw to give up; return the milliseconds to wait before the next
   * attempt, or nothing for the reconnection time (1,000 until the server's `retry` changes it).
   */
  // biome-ignore lint/suspicious/noExplicitAny lint/suspicious/noConfusingVoidType: the original's type
  onerror?: (error: any) => number | null | undefined | void
  /** Keeps the connection while the page is hidden. Default: `false`. */
  openWhenHidden?: boolean
  /** Called with the input and what is sent, headers as a plain object. Default: `globalThis.fetch`. */
  fetch?: typeof globalThis.fetch
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
  extends Omit<FetchEventSourceInit, 'headers' | 'onerror' | 'fetch'>,
    Pick<ParserOptions, 'maxEventSize'>,
    Pick<RequestOptions, 'headers'> {
  /** As in {@link FetchEventSourceInit}, and may be async. */
  // biome-ignore lint/suspicious/noExplicitAny: the original's type
  onerror?: (error: any) => Answer | Promise<Answer>
  /** As in {@link FetchEventSourceInit}; one that takes a URL as text only will do. */
  fetch?(input: RequestInfo | URL, init?: RequestInit): Promise<Response>
}

type Answer = ReturnType<NonNullable<FetchEventSourceInit['onerror']>>

// Methods, because their parameters are compared both ways: where the original's function goes, this
// one does, and the other way round. The last signature is what `Parameters` sees: the original's.
interface Signatures {
  fetchEventSource(input: RequestInfo | URL, init?: FetchEventSourceOptions): Promise<void>
  fetchEventSource(input: RequestInfo, init: FetchEventSourceInit): Promise<void>
}

/**
 * A drop-in for the function of `@microsoft/fetch-event-source` 2.0.1.
 *
 * Its promise resolves when the server ends the stream or the signal is aborted, and rejects with what
 * `onerror` throws, and with nothing else.
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
  input: RequestInfo | URL,
  {
    headers,
    signal = (input as Partial<Request>).signal,
    fetch,
    onopen,
    onmessage,
    onclose,
    onerror,
    openWhenHidden,
    maxEventSize,
    ...rest
  }: FetchEventSourceOptions = {},
): Promise<void> => {
  const place = new Place()
  const control = new SessionControl()
  const { signal: over } = control.stop

  let own = headers
  // The names as the caller spells them: a `fetch` of theirs may look for one.
  const spelling = new Map<string, string>()
  if (typeof headers !== 'function') {
    const record = headers && Symbol.iterator in headers ? Object.fromEntries(headers) : headers
    own = Object.entries(record ?? {}).filter(([name, value]) => {
      const key = name.toLowerCase()
      spelling.set(key, name)
      if (key !== 'last-event-id') return key !== 'accept' || value
      // The first ID may be seeded as a header; from then on the server's word counts.
      place.lastEventId = value || ''
      return false
    })
  }

  let request: RequestPlan | undefined
  let url: string | undefined
  const send = (target: string, init: RequestInit): Promise<Response> => {
    const sent = [...new Headers(init.headers)].map(([name, value]) => [
      spelling.get(name) ?? name,
      value,
    ])
    // As the caller wrote it, but for a redirect: theirs may go by a path.
    const given = target === url && typeof input === 'string' ? input : target
    return (fetch ?? globalThis.fetch)(given, { ...init, headers: Object.fromEntries(sent) })
  }

  const steps = session(
    {
      signal,
      fetch: send,
      request: {
        refreshable: typeof headers === 'function',
        signal: undefined,
        // Both in the attempt, so that what is wrong goes to `onerror` with all the rest.
        spent: false,
        async build(attempt) {
          request ??= planRequest(input, { ...rest, headers: own, fetch: send })
          const outgoing = await request.build(attempt)
          url = outgoing.url
          return outgoing
        },
      },
      onOpen: onopen,
      onEnd: 'reconnect',
      async retry({ error, delay }) {
        // What was thrown, as it was; the cause of this one is an error that the caller has had.
        let reason: unknown =
          error && 'cause' in error && error.code !== 'unrepeatable' ? error.cause : error
        if (!error) {
          try {
            onclose?.()
            return false
          } catch (thrown) {
            reason = thrown
          }
        }
        if (over.aborted) return false
        // `retry: 0` must not make a hot loop, and neither must an answer that is not a number.
        const interval = place.reconnectionTime || delay
        const answer = Math.max(0, (await onerror?.(reason)) ?? interval)
        return Number.isNaN(answer) ? interval : answer
      },
      hooks: {
        accept: onopen ? async () => {} : accept,
        parser: ({ lastEventId }) => new BlockParser(lastEventId, { maxEventSize }),
        gate: openWhenHidden ? async () => false : onceVisible(over),
        wrap: refused,
      },
    },
    place,
    control,
  )
  try {
    let next = steps.next()
    for (let result = await next; !result.done; result = await next) {
      const step = result.value
      try {
        if (step.type === 'open') {
          for (let blocks = await step.read(); blocks; blocks = await step.read()) {
            for (const block of blocks as Block[]) {
              if (over.aborted) break
              place.deliver(block)
              onmessage?.(toMessage(block))
            }
          }
        }
        next = steps.next()
      } catch (thrown) {
        next = steps.throw(refused(thrown))
      }
    }
  } catch (error) {
    if (!signal?.aborted) throw error
  }
}

/** An event with what its block itself said. */
interface Block extends ServerSentEvent {
  readonly id: string | undefined
  readonly retry: number | undefined
}

/** Unlike the spec, as the original: a block without data is an event too, if it has any field. */
class BlockParser extends EventStreamParser<Block> {
  protected override event(
    type: string,
    data: string | undefined,
    id: string | undefined,
    retry: number | undefined,
  ): Block | undefined {
    if (!type && data === undefined && id === undefined && retry === undefined) return undefined
    return { type, data: data ?? '', lastEventId: this.lastEventId, id, retry }
  }
}

function toMessage({ type, data, id = '', retry }: Block): EventSourceMessage {
  return { data, event: type, id, retry }
}

async function accept(response: Response, signal: AbortSignal): Promise<void> {
  const { status, headers } = response
  // The end of the stream, by status: its empty body says so to the session.
  if (status === 204) return
  const type = headers.get('content-type')
  const bad = status > 299
  let message = bad && `Expected a 2xx status, got ${status}`
  if (!type?.startsWith(EventStreamContentType)) {
    message = `Expected content-type to be ${EventStreamContentType}, Actual: ${type}`
  }
  if (message) throw await refusal(bad ? 'status' : 'content-type', message, response, signal)
}

/** Makes an `SseError` of whatever was thrown, for `onerror` to get it back. */
function refused(cause: unknown): SseError {
  return new SseError('refused', 'The attempt failed; its error is the cause', { cause })
}

/** As the original, goes by what changes: a page holds nothing up before it has been visible. */
function onceVisible(session: AbortSignal): Gate {
  const gate = pageGate({ pauseWhenHidden: true, waitForOnline: false }, session)
  let seen = false
  return async (signal, interrupt) => {
    const opened = gate(signal, () => {
      // As the original, it ends a wait as well as a connection.
      interrupt('network')
      interrupt('closed')
    }).then((held) => {
      seen ||= !signal.aborted
      return held
    })
    return seen ? opened : false
  }
}
