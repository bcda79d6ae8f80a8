import { SseError, type SseErrorCode } from './errors'
import { refusal } from './exchange'
import { type Gate, whileVisible } from './gate'
import { EventStreamParser, type ServerSentEvent } from './parser'
import { Place } from './place'
import { type Attempt, toHeaders } from './request'
import { planSession, SessionControl, session } from './session'

/** The content type that a stream must have unless `onopen` says otherwise. */
export const EventStreamContentType = 'text/event-stream'

/** One block of the stream. */
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

/** What `fetchEventSource` takes; everything else passes through to `fetch`. */
export interface FetchEventSourceInit extends Omit<RequestInit, 'headers'> {
  /** Headers, or a function that makes them before every attempt. */
  headers?:
    | Record<string, string>
    | Headers
    | ((attempt: Attempt) => HeadersInit | Promise<HeadersInit>)
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
  /** Default: `globalThis.fetch`. */
  fetch?: typeof globalThis.fetch
}

/**
 * A drop-in for the function of `@microsoft/fetch-event-source` 2.0.1.
 *
 * @returns a promise that resolves when the server ends the stream or the signal is aborted, and
 * rejects with what `onerror` throws
 *
 * @example
 * ```ts
 * await fetchEventSource('/api/chat', {
 *   method: 'POST',
 *   body: JSON.stringify({ prompt }),
 *   onmessage: (event) => show(event.data),
 * })
 * ```
 */
export async function fetchEventSource(
  input: RequestInfo,
  init: FetchEventSourceInit = {},
): Promise<void> {
  const { headers, onopen, onmessage, onclose, onerror, openWhenHidden, ...rest } = init
  const fixed = typeof headers === 'function' ? undefined : toHeaders(headers)
  // The first ID may be seeded as a header; from then on the server's word counts.
  const place = new Place(fixed?.get('last-event-id') ?? '')
  fixed?.delete('last-event-id')

  const plan = planSession(input, {
    ...rest,
    headers: fixed ?? headers,
    onEnd: 'reconnect',
    onOpen: onopen,
    async retry({ error }) {
      let reason: unknown = error
      if (error?.cause && (error.code === 'network' || error.code === 'refused')) {
        reason = error.cause
      }
      if (!error) {
        try {
          onclose?.()
          return false
        } catch (thrown) {
          reason = thrown
        }
      }
      const interval = await onerror?.(reason)
      return Math.max(0, interval ?? place.reconnectionTime)
    },
  })
  const control = new SessionControl()
  const { signal } = control.stop
  const steps = session(
    {
      ...plan,
      hooks: {
        accept: onopen ? async () => {} : accept,
        parser: ({ lastEventId }) => new BlockParser(lastEventId),
        gate: openWhenHidden ? undefined : onceVisible(),
      },
    },
    place,
    control,
  )
  try {
    for (let result = await steps.next(); !result.done; ) {
      let failure: SseError | undefined
      if (result.value.type === 'events') {
        try {
          for (const event of result.value.events as Block[]) {
            if (signal.aborted) break
            place.deliver(event)
            onmessage?.(toMessage(event))
          }
        } catch (cause) {
          failure = new SseError('refused', 'onmessage threw; its error is the cause', { cause })
        }
      }
      result = await (failure ? steps.throw(failure) : steps.next())
    }
  } catch (error) {
    if (!init.signal?.aborted) throw error
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
  return retry === undefined ? { data, event: type, id } : { data, event: type, id, retry }
}

async function accept(response: Response, signal: AbortSignal): Promise<void> {
  // The end of the stream, by status: its empty body says so to the session.
  if (response.status === 204) return
  const type = response.headers.get('content-type')
  const refuse = async (code: SseErrorCode, message: string) => {
    throw await refusal(code, message, response, signal)
  }
  if (!type?.startsWith(EventStreamContentType)) {
    await refuse(
      'content-type',
      `Expected content-type to be ${EventStreamContentType}, Actual: ${type}`,
    )
  }
  if (!response.ok) await refuse('status', `Expected a 2xx status, got ${response.status}`)
}

/** The first request is sent whether the page is visible or not. */
function onceVisible(): Gate {
  let first = true
  return async (signal, interrupt) => {
    const visible = whileVisible(signal, interrupt)
    if (!first) await visible
    first = false
  }
}
