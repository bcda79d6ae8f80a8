import { abortable, later } from './abort'
import { SseError } from './errors'
import { drop, exchange, networkError, refusal } from './exchange'
import { EventStreamParser, type ParserOptions, type ServerSentEvent } from './parser'
import type { Place } from './place'
import type { OutgoingRequest, RequestOptions } from './request'

/** What bounds and observes one connection. */
export interface ConnectionOptions extends ParserOptions, Pick<RequestOptions, 'fetch'> {
  /** Milliseconds in which the response's headers must have come. Default: none. */
  connectTimeout?: number
  /**
   * Milliseconds of silence before the connection is given up; every byte is a sign of life,
   * comments too. The server's silence counts, not a slow consumer. With it, a machine that has
   * slept for over 90 s reconnects as it wakes. Default: none.
   */
  idleTimeout?: number
  /** Called with the response of each connection; a throw refuses it (code `refused`). */
  onOpen?: (response: Response) => unknown
}

/** Where a face differs from the plain event stream. */
export interface ConnectionHooks<E> {
  /** Throws to refuse a response. */
  accept?: (response: Response, signal: AbortSignal) => Promise<void>
  /** Reads the body. */
  parser?: (place: Place) => EventStreamParser<E>
  /** Called when the machine has slept and nothing has come since; it may abort the attempt. */
  onWake?: () => void
}

/** An open event stream. */
export interface Connection<E> {
  readonly response: Response
  /** The events that the next chunk completes, at least one; `undefined` at the end of the body. */
  read(): Promise<E[] | undefined>
  /** All that was read has been delivered: the place moves on to where the stream is. */
  settle(): void
}

/** The reads after which other tasks get a turn: bytes that are all there arrive in microtasks. */
const READS_PER_TURN = 64
/** Milliseconds that other tasks may be kept waiting. */
const TURN = 20

/** Milliseconds between looks at the silence, at most: how soon a wake is noticed. */
const LOOK = 10_000
/** Milliseconds without a look that only sleep explains: a hidden page gets one a minute. */
const SLEEP = 90_000

/**
 * One attempt: sends the request, checks the response, turns its body into batches of events.
 * Aborting `control` frees everything it holds; its own timeouts do so with their error as reason.
 * Once that is aborted, its reason counts, whatever is thrown.
 *
 * @throws {SseError}
 */
export async function connect<E = ServerSentEvent>(
  request: OutgoingRequest,
  control: AbortController,
  place: Place,
  options: ConnectionOptions & ConnectionHooks<E>,
): Promise<Connection<E>> {
  const { signal } = control
  const { connectTimeout, idleTimeout, fetch, onOpen, accept = acceptEventStream } = options

  const deadline =
    connectTimeout &&
    later(() => {
      control.abort(
        new SseError('timeout', `Expected response headers within ${connectTimeout} ms, got none`),
      )
    }, connectTimeout)
  const response = await exchange(request, fetch).finally(() => clearTimeout(deadline))

  await accept(response, signal)
  try {
    await abortable(signal, onOpen?.(response))
    // Aborted in the microtasks since: what follows would not hear of it.
    if (signal.aborted) throw signal.reason
  } catch (cause) {
    drop(response)
    const { status } = response
    const message = 'onOpen refused the response; its error is the cause'
    throw new SseError('refused', message, { status, response, cause })
  }

  const parser =
    options.parser?.(place) ?? new EventStreamParser<E>(place.lastEventId, options, place.delivered)
  const reader = openBody(response)
  let waitingSince = Number.POSITIVE_INFINITY
  let silentSince = waitingSince
  let silence: ReturnType<typeof setTimeout> | undefined
  let failure: unknown
  let reads = 0
  let turned = 0

  if (idleTimeout) {
    // One timer that looks at a clock, not one per chunk.
    const watch = (delay: number) => {
      const lookedAt = Date.now()
      silence = later(() => {
        // By the wall clock: while a machine sleeps the other one stops, on some.
        if (Date.now() - Math.max(lookedAt, silentSince) > SLEEP) options.onWake?.()
        if (signal.aborted) return
        const left = waitingSince + idleTimeout - performance.now()
        if (left > 0) return watch(Math.min(left, idleTimeout, LOOK))
        const message = `Expected a byte or a comment within ${idleTimeout} ms, got silence`
        control.abort(new SseError('idle', message, { status: response.status, response }))
      }, delay)
    }
    watch(Math.min(idleTimeout, LOOK))
  }
  signal.addEventListener('abort', () => {
    clearTimeout(silence)
    reader?.cancel().catch(() => {})
  })

  const connection: Connection<E> = {
    response,
    settle() {
      place.lastEventId = parser.lastEventId
    },
    async read() {
      while (reader && !failure) {
        if (++reads % READS_PER_TURN === 0 && Date.now() - turned > TURN) {
          await turn()
          turned = Date.now()
        }
        let result: ReadableStreamReadResult<Uint8Array>
        if (idleTimeout) {
          waitingSince = performance.now()
          silentSince = Date.now()
        }
        try {
          result = await reader.read()
        } catch (cause) {
          throw networkError('The connection was lost while the stream was read', cause, response)
        }
        waitingSince = silentSince = Number.POSITIVE_INFINITY
        // A cancelled body ends as a complete one does.
        if (signal.aborted) throw signal.reason
        if (result.done) return undefined
        const batch: E[] = []
        try {
          parser.push(result.value, batch)
        } catch (error) {
          // The events before the excess come first.
          failure = error
        }
        place.asked = parser.reconnectionTime ?? place.asked
        if (batch.length > 0) return batch
        connection.settle()
      }
      if (failure) throw failure
      return undefined
    },
  }
  return connection
}

/** @see https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model */
async function acceptEventStream(response: Response, signal: AbortSignal): Promise<void> {
  const { status, statusText = '', headers } = response
  if (status !== 200) {
    const message = `Expected status 200, got ${status} ${statusText}`.trim()
    throw await refusal('status', message, response, signal)
  }
  const type = headers.get('content-type') ?? 'none'
  // Of several values, the last that is a type counts (Fetch standard, extract a MIME type).
  const last =
    type
      .split(',')
      .filter((value) => value.includes('/'))
      .pop() ?? ''
  if (!/^[\t ]*text\/event-stream[\t ]*(;|$)/i.test(last)) {
    const hint = /html/i.test(type) ? ': a login page, or the wrong URL?' : ''
    const message = `Expected content-type text/event-stream, got ${type}${hint}`
    throw await refusal('content-type', message, response, signal)
  }
}

/** `undefined` for a response without a body: an empty stream. */
function openBody({ body }: Response): ReadableStreamDefaultReader<Uint8Array> | undefined {
  if (body === null) return undefined
  if (typeof body?.getReader !== 'function') {
    throw new TypeError(
      'Expected a Response whose body is a ReadableStream, got none. Pass a fetch that streams',
    )
  }
  return body.getReader()
}

/** Lets the event loop turn once. A timer would cost browsers 4 ms, and hidden pages a second. */
function turn(): Promise<unknown> {
  return new Promise((resolve) => {
    if (!globalThis.MessageChannel) return setTimeout(resolve)
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => resolve(port1.close())
    port2.postMessage(0)
  })
}
