import { originOf, SseError } from '../errors'
import type { FetchSignal } from '../platform'

// Where bundlers replace `process.env.NODE_ENV`, they want it written so.
declare const process: { readonly env: { readonly NODE_ENV?: string } }

interface DenoLike {
  readonly permissions: { querySync(permission: object): { readonly state: string } }
}

interface Page {
  readonly document?: object
  readonly location?: { readonly origin?: string }
  readonly WorkerGlobalScope?: object
}

/** What is noted of a session. */
interface Noted {
  readonly _cursor: { readonly _first: object | undefined; readonly lastEventId: string }
  readonly _plan: {
    readonly _request: { readonly _url: string | undefined; readonly method: string }
    readonly onReconnect?: unknown
  }
  readonly _sent: boolean
}

/** Milliseconds. */
const LONG = 15_000
/** A server may have a path for each of its users. */
const MOST = 1000

/** The notes that were made: each kind once for each place, as long as the program runs. */
let made: Set<string> | undefined

/**
 * Notes that a stream which has never been open cannot be opened: its reader might wait for ever
 * without a word.
 *
 * @param delay - milliseconds until the next attempt; `false` where there is none
 */
export function noteUnopened(
  { _cursor: cursor, _plan: plan, _sent: sent }: Noted,
  error: unknown,
  delay: number | false,
): void {
  if (cursor._first || plan.onReconnect || !(error instanceof SseError)) return
  const wait = Math.round(Number(delay))
  const next =
    delay === false
      ? 'It will not be tried again.'
      : `Trying again in ${wait < 1000 ? `${wait} ms` : `${Math.round(wait / 1000)} s`}. Pass onReconnect to hear of each attempt.`
  const reason = reasonOf(error, sent)
  note('unopened', plan._request._url, (where) => `${where} cannot be opened. ${reason} ${next}`)
}

/** Notes a request that is not answered for long. */
export function watchAnswer(url: string, answer: Promise<unknown>, signal: FetchSignal): void {
  if (isProduction()) return
  const timer = setTimeout(() => {
    note(
      'unanswered',
      url,
      (where) =>
        `${where} has not answered for 15 s. Does a proxy hold the answer back, or does the server send its headers only with the first event?`,
    )
  }, LONG)
  // Node's: it must not keep a process alive.
  ;(timer as { unref?: () => void }).unref?.()
  const stop = () => clearTimeout(timer)
  answer.then(stop, stop)
  signal.addEventListener('abort', stop)
}

/** Notes a reconnect that may have failed because of its `Last-Event-ID` alone. */
export function notePreflight(
  { _cursor: cursor, _plan: plan, _sent: sent }: Noted,
  error: unknown,
  headers: Headers | undefined,
): void {
  const { _url: url, method } = plan._request
  const { code, response } = Object(error)
  const { location, document, WorkerGlobalScope: worker } = globalThis as Page
  // Of the runtimes with a location, only these know CORS.
  const origin = (document ?? worker) && location?.origin
  if (!cursor._first || !sent || code !== 'network' || response) return
  if (!origin || originOf(url) === origin) return
  if (!headers?.has('last-event-id') || !/^(get|head|post)$/i.test(method)) return
  if (
    [...headers].some(([name, value]) => !/^last-event-id$/.test(name) && !isSimple(name, value))
  ) {
    return
  }
  note(
    'preflight',
    url,
    (where) =>
      `Reconnecting to ${where} failed without an answer. Unlike the first request this one has a Last-Event-ID header, which needs a CORS preflight. If the server is up, let it answer OPTIONS with Access-Control-Allow-Headers: Last-Event-ID, or leave the header out by headers: { 'Last-Event-ID': null }.`,
  )
}

/** Notes a line that the standard has ignored. */
export function noteIgnored({ _plan: plan }: Noted, line: string): void {
  if (/^retry(:|$)/.test(line)) return
  note(
    'ignored',
    plan._request._url,
    (where) =>
      `${where} has sent a line that is no field, which the standard ignores. Is it a line break in data? Then each line needs a "data:" of its own.`,
  )
}

/** Notes that a reconnect goes without its place, unless the caller's own headers say it. */
export function noteUnsendable(url: string, headers: readonly (readonly unknown[])[]): void {
  if (headers.some(([name]) => /^last-event-id$/i.test(`${name}`))) return
  note(
    'unsendable',
    url,
    (where) =>
      `${where} has sent an ID that no header can carry: it is over 8 KiB, blank, or has control characters. The stream reconnects without it, and events may be missed or come twice.`,
  )
}

/** Notes what is retried like a failure of the network, and may be a bug. */
export function noteBug({ _plan: plan, _sent: sent }: Noted, error: unknown): void {
  const { cause, retriable } = Object(error)
  // What a fetch throws is a TypeError as well.
  if (
    sent ||
    !retriable ||
    !(cause instanceof TypeError) ||
    cause.cause ||
    /fetch|network|load/i.test(cause.message)
  ) {
    return
  }
  // Where, and not the message, because engines put values into it.
  const frame = /^.*(?:at |@).*:\d+:\d+\)?$/m.exec(`${cause.stack}`.replace(cause.message, ''))
  const place = frame ? ` (${frame[0].trim().replace(/\?[^:)]*/g, '')})` : ''
  note(
    'bug',
    plan._request._url,
    (where) =>
      `A function of the request to ${where} has thrown a TypeError${place}. It is tried again as a network failure would be, but may be a bug. onReconnect gets it as error.cause.`,
  )
}

/** @param text - must hold nothing that a user or a server has sent */
function note(kind: string, url: string | undefined, text: (where: string) => string): void {
  const where = placeOf(url)
  const key = `${kind} ${where}`
  made ??= new Set()
  if (made.has(key) || made.size === MOST || isProduction()) return
  made.add(key)
  globalThis.console?.warn(`tidings: ${text(where)}`)
}

function isProduction(): boolean {
  const variable = 'NODE_ENV'
  try {
    // Deno would ask its user for leave.
    const { permissions } = (globalThis as { Deno?: DenoLike }).Deno ?? {}
    if (permissions && permissions.querySync({ name: 'env', variable }).state !== 'granted') {
      return false
    }
    return process.env.NODE_ENV === 'production'
  } catch {
    return false
  }
}

/** Of a URL, what may be said: origin and path. */
export function placeOf(url: string | undefined): string {
  if (url === undefined) return 'the stream'
  try {
    const { protocol, host, pathname } = new URL(url)
    // The path of a data: URL is its content.
    return host ? `${protocol}//${host}${pathname}` : protocol
  } catch {
    // A server-side framework's, without an origin.
    return url.replace(/[?#].*/s, '')
  }
}

function reasonOf({ code, status, response, location, cause }: SseError, sent: boolean): string {
  switch (code) {
    case 'status':
      return `Expected status 200, got ${status}.`
    case 'content-type': {
      const [type = 'another'] =
        /^[-\w.+]+\/[-\w.+]+/.exec(response?.headers.get('content-type') ?? '') ?? []
      return `Expected content-type text/event-stream, got ${type}. Is it a login page, or the wrong URL?`
    }
    case 'redirect':
      return `A redirect leads to ${originOf(location)}, which must not see the stream’s headers.`
    case 'auth':
    case 'network': {
      const name = Object(Object(cause).cause).code ?? Object(cause).code
      // The system's, such as ECONNREFUSED.
      const system = /^[A-Z][A-Za-z_]+$/.test(`${name}`) ? ` (${name})` : ''
      return sent
        ? `The request failed${system}. Does a server run there, and does it allow this origin (CORS)?`
        : `A function of the request failed${system}.`
    }
    case 'timeout':
      return 'It was not open within connectTimeout.'
    default:
      return `It failed with code ${code}.`
  }
}

/** Whether a request may have this header without a preflight. */
function isSimple(name: string, value: string): boolean {
  if (name !== 'content-type') return /^(accept|accept-language|content-language)$/.test(name)
  return /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\b/i.test(value)
}
