import { abortReason, ignore, Lifetime, later } from '../abort'
import { noteBug, noteIgnored, notePreflight, noteUnopened } from '../development/console'
import { originOf, SseError } from '../errors'
import type { ServerSentEvent } from '../parser/event'
import { EventStreamParser, type EventStreamParserOptions } from '../parser/parser'
import type { Awaitable, FetchSignal } from '../platform'
import { admit, type ConnectionOptions, openBody, turn } from '../transport/connection'
import { drop, exchange, networkError } from '../transport/exchange'
import {
  type RequestOptions,
  type RequestPlan,
  type Resume,
  unrepeatable,
} from '../transport/request'
import { watchSilence } from '../transport/silence'
import type { Cursor } from './cursor'
import type { Take } from './decode'
import type { Gate } from './gate'
import { alight, board, type Passenger, settled } from './page'
import { askedBy } from './retry'

/**
 * Where a stream is in its life: `'idle'` before the first `next()`, `'waiting'` between attempts.
 *
 * @example
 * ```ts
 * import type { EventStreamStatus } from 'tidings'
 *
 * const labels: Record<EventStreamStatus, string> = {
 *   idle: 'Not started',
 *   connecting: 'Connecting',
 *   open: 'Live',
 *   waiting: 'Connection lost, trying again',
 *   closed: 'Closed',
 * }
 * ```
 */
export type EventStreamStatus = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed'

/**
 * Why the connection is made anew, and when.
 *
 * @example
 * ```ts
 * import { events, type Reconnect } from 'tidings'
 *
 * const onReconnect = ({ error, delay }: Reconnect) =>
 *   show(`${error?.message ?? 'The stream ended'}. Again in ${Math.ceil(delay / 1000)} s.`)
 * const feed = events('/api/feed', { onReconnect })
 * ```
 */
export interface Reconnect {
  /** What ended the attempt; `undefined` after a clean end of the body. */
  readonly error: SseError | undefined
  /** Milliseconds until the next attempt. */
  readonly delay: number
  /** Attempts in a row, this one included, that ended without progress. */
  readonly failures: number
  /** The number of the attempt that ended; the first is 1. */
  readonly attempt: number
}

/** Everything that a session needs to know. What is optional costs nothing where a face leaves it out. */
export interface SessionPlan extends ConnectionOptions {
  readonly _request: RequestPlan
  readonly fetch?: RequestOptions['fetch']
  readonly signal?: FetchSignal | null | undefined
  /** Which event is next. */
  readonly _take: Take
  /** Milliseconds before the next attempt, or `false` to give up. */
  readonly _decide: (session: AnySession) => Awaitable<number | false>
  /** Milliseconds, until the server asks for another. */
  readonly reconnectionTime: number
  readonly resume?: Resume | undefined
  readonly gate?: Gate | undefined
  /** The stream has an end: `until`. */
  readonly _finite?: boolean
  /** Whether an unfinished last block is the terminal event. */
  readonly ends?: ((event: ServerSentEvent, lineEnded: boolean) => Awaitable<boolean>) | undefined
  readonly incomplete?: 'drop' | 'deliver' | undefined
  readonly onEnd?: 'reconnect' | 'complete' | undefined
  readonly statuses?: RegExp
  readonly authStatuses?: readonly number[] | undefined
  readonly connectTimeout?: number | undefined
  readonly idleTimeout?: number | ((response: Response) => number | undefined) | undefined
  readonly resetAfter?: number | undefined
  readonly _parser: EventStreamParserOptions<ServerSentEvent>
  readonly onReconnect?: ((reconnect: Reconnect) => void) | undefined
  /**
   * Lets `decide` judge what is no `SseError`, and a 204 as an empty stream; without it, each ends the
   * session.
   */
  readonly wrap?: (thrown: unknown) => SseError
  /** Called when the session has passed to another state, which is whole by then. */
  readonly changed?: (session: AnySession) => void
}

/** A session, whatever its face hands over. */
// biome-ignore lint/suspicious/noExplicitAny: the face alone knows
export type AnySession = Session<any>

/** How a session has ended: once, for one reason. */
export interface Over {
  readonly reason: 'closed' | 'aborted' | 'complete' | 'no-content' | 'failed'
  /** What is thrown, where it was aborted or failed. */
  readonly error?: unknown
}

// Why an attempt has ended, beside errors.
const START = Symbol()
const CLEAN = Symbol()
const RECONNECT = Symbol()
const LET_GO = Symbol()

/** Reads after which other tasks get a turn: bytes that are all there arrive in microtasks. */
const READS_PER_TURN = 64
/** Milliseconds that other tasks may be kept waiting. */
const TURN = 20
/** Milliseconds: no server, and no policy, makes a hot loop. */
const SHORTEST = 100
/** Times in a row that a server in the middle of a redeploy may answer with something else. */
const MOST_STRAYS = 5

/**
 * The reconnect loop, the only one, and what every face reads its events from. A face pulls: nothing
 * is requested, read or parsed before `next()` asks for it.
 */
export class Session<R> implements Passenger {
  // What a face sees.
  status: EventStreamStatus = 'idle'
  /** When the next attempt is due, in milliseconds since 1970. */
  retryAt: number | undefined
  failures = 0
  /** The number of the attempt that runs, or of the last. */
  attempt = 0
  /** The response whose events are handed over. */
  response: Response | undefined
  /** What ended the last attempt; `undefined` once a connection is open. */
  error: SseError | undefined
  _over: Over | undefined

  // What `decide` sees beside that.
  /** The last answer, where the last attempt got one. */
  _answer: Response | undefined
  /** In development: the types of the events that `decode` has left out. */
  declare private _leftOut?: Set<string>
  /** The request of the last attempt has been sent. */
  _sent = false
  /** The caller has said that the request may be repeated. */
  _word = false
  /** The last attempt was answered by one of `authStatuses`. */
  _unauthorized = false

  // What `take` reads and writes.
  _parser: EventStreamParser | undefined
  /** The terminal event has come. */
  _complete = false
  /** A decode that is under way, and what it has come to: `data` gives that, or throws it. */
  _decoding: Promise<void> | undefined
  _decoded: { readonly raw: ServerSentEvent; readonly data: () => unknown } | undefined

  /** When the attempt or the read that is pending began, in milliseconds since 1970. */
  _since = Number.POSITIVE_INFINITY
  readonly _plan: SessionPlan
  readonly _cursor: Cursor
  private readonly _hand: (session: AnySession) => R | undefined
  private readonly _end: R

  // Of the attempt.
  private _life = new Lifetime()
  private _reader: ReturnType<typeof openBody> | undefined
  private _stopWatching = ignore
  private _openedAt = 0
  private _count = 0
  // Of the session.
  /** The last event that was handed over. */
  private _last: ServerSentEvent | undefined
  private _headers: Headers | undefined
  private _everOpen = false
  private _waited = 0
  /** Where the connection before had come to. */
  private _mark: string | undefined
  /** The same trouble in a row: which, and how often. */
  private _trouble = ''
  private _times = 0
  private _reads = 0
  private _turned = 0

  /** A `next()` is under way, and its promise for those that come meanwhile. */
  private _busy = false
  private _pending: Promise<R> | undefined
  /** How many of those there are. */
  private _queued = 0
  /** Settle the `next()` that waits for the loop: at the decision, not some microtasks later. */
  private _resolve: ((value: R | PromiseLike<R>) => void) | undefined
  private _reject: ((reason: unknown) => void) | undefined
  private _told = false
  /** Sets the timer of a wait, and how early it may end. */
  private _arm: (() => void) | undefined
  private _earliest = 0

  /**
   * @param hand - hands over what was read, or gives `undefined` where there is nothing yet
   * @param end - what `next()` gives after the end
   */
  constructor(
    plan: SessionPlan,
    cursor: Cursor,
    hand: (session: AnySession) => R | undefined,
    end: R,
  ) {
    this._plan = plan
    this._cursor = cursor
    this._hand = hand
    this._end = end
  }

  get reconnectionTime(): number {
    return this._cursor._asked ?? this._plan.reconnectionTime
  }

  /** Whether the request may be repeated at this moment, without the caller's word. */
  get _repeatable(): boolean {
    const { _request: request, resume, _finite: finite } = this._plan
    if (resume && (resume === 'same' || this._cursor._first)) return true
    return request._safe && !(finite && this._last && this._cursor.place === '')
  }

  /** The body has been sent and cannot be sent again: `resume` alone makes another request. */
  private get _spent(): unknown {
    const { _request: request, resume } = this._plan
    return request._spent && !(typeof resume === 'function' && this._cursor._first)
  }

  /** What is handed over next; calls that come meanwhile queue up. Rejects once, with why it failed. */
  next(): Promise<R> {
    if (!this._busy && this._queued === 0) return this._next()
    this._queued++
    const next = () => {
      this._queued--
      return this._next()
    }
    this._pending = this._pending?.then(next, next)
    return this._pending as Promise<R>
  }

  private _next(): Promise<R> {
    const now = this._pull()
    if (now !== undefined) return Promise.resolve(now)
    this._busy = true
    if (this.status === 'idle') this._start()
    const pending = Promise.resolve(this._more())
    if (this._queued === 0) this._pending = pending
    return pending
  }

  /** Drops the connection or the wait, and connects now. */
  reconnect(): void {
    this._drop(RECONNECT, 'connecting')
  }

  /** This attempt has failed, for that reason. */
  fail(reason: unknown): void {
    const error =
      reason instanceof SseError
        ? reason
        : new SseError('refused', __DEV__ && 'fail() was called; its reason is error.cause', {
            cause: reason,
          })
    error.retriable = true
    this._drop(error, 'waiting')
  }

  close(): void {
    this._finish('closed')
  }

  /** Ends the attempt for what has been thrown, once what was taken before is handed over. */
  _hold(thrown: unknown): void {
    this._life._end(thrown)
    this._life.reason = thrown
    this._parser = undefined
  }

  /** An event has been handed over; or the caller's code has left it out. */
  _deliver(event: ServerSentEvent, place?: string | number, leftOut?: boolean): void {
    this._cursor._move(event, place)
    if (__DEV__ && leftOut) {
      this._leftOut ??= new Set()
      if (this._leftOut.size < 10) this._leftOut.add(event.type)
    }
    if (leftOut) return
    this._cursor._begun = true
    this._last = event
    this._count++
  }

  _wake(time: number): void {
    if (this._since <= time) this._leave()
  }

  /** Lets the connection go, where it can be made again. */
  _leave(): void {
    if (this.status === 'open' || this.status === 'connecting') this._letGo()
  }

  private _letGo(): void {
    if (this._repeatable && !this._spent) this._drop(LET_GO, 'connecting')
  }

  _online(): void {
    if (!this._arm) return
    const soon = Date.now() + Math.random() * 1000
    this.retryAt = Math.min(this.retryAt as number, Math.max(this._earliest, soon))
    this._arm()
  }

  private _start(): void {
    const { signal } = this._plan
    this._life.reason = START
    if (signal?.aborted) {
      this._abort()
      return
    }
    board(this)
    signal?.addEventListener('abort', this._abort)
    this._change('connecting')
  }

  private readonly _abort = (): void => {
    this._fail(abortReason(this._plan.signal as FetchSignal), 'aborted')
  }

  /** What a face hears of is whole. */
  private _change(status: EventStreamStatus, retryAt?: number): void {
    if (this.status === status && this.retryAt === retryAt) return
    this.status = status
    this.retryAt = retryAt
    this._plan.changed?.(this)
  }

  private _pull(): R | undefined {
    const { _parser: parser } = this
    // What is being decoded comes first.
    if (!parser || this._over || this._decoding) return undefined
    try {
      const value = this._hand(this)
      if (this._complete) this._finish('complete')
      // A block without data moves the last event ID, too.
      else if (value === undefined && !this._decoding && !this._over) {
        this._cursor.lastEventId = parser.lastEventId
      }
      return value
    } catch (thrown) {
      this._hold(thrown)
      return undefined
    }
  }

  /** One promise reaction a chunk: nothing else stands between the reader and `next()`. */
  private _more(): PromiseLike<R> {
    const { _decoding: decoding } = this
    if (decoding && !this._over) {
      this._decoding = undefined
      return this._slow(() => decoding)
    }
    if (!this._reader || this._life._ended) return this._slow(this._run)
    if (++this._reads % READS_PER_TURN === 0 && Date.now() - this._turned > TURN) {
      return turn().then(() => {
        this._turned = Date.now()
        return this._more()
      })
    }
    this._since = Date.now()
    return this._reader.read().then(this._took, this._lost)
  }

  private readonly _took = ({
    done,
    value,
  }: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>): R | PromiseLike<R> => {
    this._since = Number.POSITIVE_INFINITY
    // A cancelled body ends as a complete one does.
    if (this._life._ended) return this._more()
    if (done) return this._endBody()
    ;(this._parser as EventStreamParser).feed(value)
    return this._again()
  }

  private readonly _again = (): R | PromiseLike<R> => {
    const now = this._pull()
    if (now === undefined) return this._more()
    this._busy = false
    return now
  }

  private readonly _lost = (cause: unknown): PromiseLike<R> => {
    this._life._end(
      networkError(
        __DEV__ && 'The connection was lost while the stream was read',
        cause,
        this.response,
      ),
    )
    return this._more()
  }

  /** The body has ended cleanly. What is left of it may be an event, or the trace of a cut. */
  private async _endBody(): Promise<R> {
    const { _plan: plan, response } = this
    const parser = this._parser as EventStreamParser
    this._reader = undefined
    parser.end()
    let last: ServerSentEvent | undefined
    try {
      last = parser.next()
      if (last && plan.incomplete !== 'deliver') {
        const ends = await this._life._race(plan.ends?.(last, parser._lineEnded))
        if (!ends) last = undefined
      }
    } catch (thrown) {
      last = undefined
      this._life._end(thrown)
    }
    const cut = parser._unfinished && !last
    this._life._end(
      plan._finite || cut
        ? new SseError(
            'truncated',
            __DEV__ &&
              (plan._finite
                ? `Expected the event that until names, got the end of the stream${leftOutBy(this._leftOut)}`
                : `Expected a blank line after the last event, got the end of the stream. error.body is what came of it; incomplete: 'deliver' takes it as an event`),
            { response, body: cut ? parser._excerpt : undefined },
          )
        : CLEAN,
    )
    // It is handed over as any other.
    if (last) {
      const rest = [last]
      parser.next = () => rest.pop()
    }
    return this._again()
  }

  /** Leaves the fast path, until `work` is done or the session is over. */
  private _slow(work: () => PromiseLike<void>): PromiseLike<R> {
    return {
      // biome-ignore lint/suspicious/noThenProperty: it gets the very promise that is to be settled
      then: (resolve: never, reject: never) => {
        this._resolve = resolve
        this._reject = reject
        // It may be over by now: this is called a microtask later.
        if (this._over) this._tell()
        else work().then(this._tell)
      },
    } as PromiseLike<R>
  }

  /** The loop: from the end of one attempt to the open stream of the next, or to the end. */
  private readonly _run = async (): Promise<void> => {
    while (!this._over) {
      let deciding = true
      try {
        await this._goOn(this._life.reason)
        deciding = false
        return await this._connect(this._life)
      } catch (thrown) {
        // What a policy or an observer throws is final, also where it is an error to be retried.
        if (deciding && !this._life._ended) this._fail(thrown)
        this._life._end(thrown)
      }
    }
  }

  /** Whether, and when, to try again, now that an attempt has ended. */
  private async _goOn(why: unknown): Promise<void> {
    const life = new Lifetime()
    this._life = life
    if (why === START) return
    const { _plan: plan, _openedAt: openedAt, _count: count, _last: last, _mark: mark } = this
    this._disconnect()
    if (count > 0) this._mark = this._cursor.place || `${last?.type}\n${last?.data}`
    this._openedAt = this._count = 0
    this._parser = this.response = undefined

    // Progress is a connection that stayed, though no longer than 5 s: a proxy that cuts every 25 s
    // must not keep a stream from recovering. Or events that are new: a greeting or a cached answer,
    // again and again, is none, however politely it ends.
    const open = openedAt && Date.now() - openedAt
    const long = plan.resetAfter ?? Math.min(Math.max(this._waited, 1000), 5000)
    const stayed = openedAt && open >= long
    if (stayed || (mark !== this._mark && count > (why === CLEAN ? 0 : 1))) this.failures = 0

    if (why === LET_GO || why === RECONNECT) return
    await settled(life, why instanceof SseError && why.code === 'network')
    life._check()
    let error: SseError | undefined
    if (why !== CLEAN) {
      error = why instanceof SseError ? why : plan.wrap?.(why)
      if (!error) return this._fail(why)
    }
    this.error = error
    if (error) this._describe(error)
    else if ((plan.onEnd ?? (plan._request._safe ? 'reconnect' : 'complete')) === 'complete') {
      return this._finish('complete')
    }
    // What fresh headers answer is tried again at once: nothing was done, and nobody need know.
    if (error && !this._word && this._isRefusal(error)) return
    this.failures++
    let delay = plan._decide(this)
    if (typeof delay === 'object') {
      if (!life._ended) this._change('waiting')
      delay = await life._race(delay)
    }
    life._check()
    this._word = false
    error = this.error
    if (delay === false) return error ? this._fail(error) : this._finish('complete')
    if (this._spent) return this._fail(unrepeatable(error))
    // What is truncated has ended cleanly, too.
    const clean = !error || error.code === 'truncated'
    if (this.failures > 1 || (clean && open < 1000)) delay = Math.max(delay, SHORTEST)
    this._waited = delay
    this._earliest = Date.now() + askedBy(this)
    this._change('waiting', Date.now() + delay)
    life._check()
    if (__DEV__) noteUnopened(this, error, delay)
    plan.onReconnect?.({ error, delay, failures: this.failures, attempt: this.attempt })
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      await life._race(
        new Promise<void>((resolve) => {
          this._arm = () => {
            clearTimeout(timer)
            timer = later(resolve, (this.retryAt as number) - Date.now())
          }
          this._arm()
        }),
      )
    } finally {
      clearTimeout(timer)
      this._arm = undefined
    }
  }

  /**
   * Judges what passes only so often: an answer of `authStatuses`, what a server in the middle of a
   * redeploy answers, and a function of the caller's that fails without saying why.
   *
   * @returns whether the next attempt is to be made at once
   */
  private _isRefusal(error: SseError): boolean {
    const { _plan: plan } = this
    const { code, status } = error
    const refused = code === 'status' && (plan.authStatuses ?? [401]).includes(status as number)
    const word = error.response?.headers.get('x-should-retry')
    const stray =
      word !== 'true' &&
      this._everOpen &&
      this._repeatable &&
      (status === 404 || code === 'content-type')
    const trouble =
      refused && plan._request._refreshable
        ? 'refused'
        : code === 'auth' && error.retriable
          ? code
          : stray
            ? 'stray'
            : ''
    this._unauthorized = refused
    this._times = trouble === this._trouble ? this._times + 1 : 1
    this._trouble = trouble
    if (trouble) {
      error.retriable = this._times <= (trouble === 'stray' ? MOST_STRAYS : 2) && word !== 'false'
    }
    return trouble === 'refused' && this._times === 1 && error.retriable
  }

  /** One attempt, until its stream is open. */
  private async _connect(life: Lifetime): Promise<void> {
    if (this._over) return
    const { _plan: plan, _cursor: cursor } = this
    const { _request: request } = plan
    await settled(life, false)
    life._check()
    if (plan.gate) await this._pass(plan.gate, life)
    life._check()
    this.attempt++
    this._sent = false
    this._answer = undefined
    this._change('connecting')
    this._since = Date.now()
    this._stopWatching = watchSilence(this, plan.connectTimeout, life)
    let response: Response | undefined
    try {
      const outgoing = await request._build(
        {
          number: this.attempt,
          lastEventId: cursor.lastEventId,
          cursor: cursor.place,
          first: cursor._first,
          error: this.error,
          sent: this._headers,
          unauthorized: this._unauthorized,
          signal: life.signal,
        },
        life,
        plan.resume,
      )
      life._check()
      if (!outgoing) {
        return this._fail(
          this.error ??
            unrepeatable(
              undefined,
              __DEV__ && 'Expected resume to say where the stream goes on, got nothing',
            ),
        )
      }
      request._spent ||= outgoing._once
      this._sent = true
      this._headers = outgoing.init.headers
      response = await exchange(outgoing, life, plan.fetch)
      life._check()
      this._answer = response
      // "No Content" is the server's way to say: do not come back.
      if (response.status === 204 && !plan.wrap) {
        drop(response)
        return plan._finite && cursor._begun
          ? this._fail(
              new SseError(
                'truncated',
                __DEV__ &&
                  `Expected the event that until names, got status 204${leftOutBy(this._leftOut)}`,
                { response, retriable: false },
              ),
            )
          : this._finish('no-content')
      }
      await admit(response, plan, life, this._stopWatching, plan.statuses)
      life._check()
    } catch (thrown) {
      if (__DEV__) noteBug(this, thrown)
      if (__DEV__) notePreflight(this, thrown, this._headers)
      drop(response)
      throw thrown
    } finally {
      this._stopWatching()
      this._since = Number.POSITIVE_INFINITY
    }
    cursor._first ??= response
    this._everOpen = true
    this._trouble = ''
    const { onComment } = plan._parser
    this._parser = new EventStreamParser({
      ...plan._parser,
      // What it throws is final, also where it is an error to be retried.
      ...(onComment && {
        onComment: (text) => {
          try {
            onComment(text)
          } catch (thrown) {
            this._fail(thrown)
          }
        },
      }),
      lastEventId: cursor.lastEventId,
      onRetry: (asked) => {
        cursor._asked = asked
      },
      ...(__DEV__ && { onIgnored: (line) => noteIgnored(this, line) }),
    })
    this._reader = openBody(response)
    // A fetch that does not heed its signal leaves the read pending.
    life._interrupt = () => this._disconnect()
    this._openedAt = Date.now()
    const { idleTimeout } = plan
    const idle = typeof idleTimeout === 'function' ? idleTimeout(response) : idleTimeout
    life._check()
    this._stopWatching = watchSilence(this, idle, life, response)
    this.error = undefined
    this._unauthorized = false
    this.response = response
    this._change('open')
  }

  /** Waits until the gate gives leave. */
  private async _pass(gate: Gate, life: Lifetime): Promise<void> {
    for (let released = true; released; ) {
      released = false
      let passed = false
      const release = () => {
        if (!passed) released = true
        else if (life === this._life && !life._ended) this._letGo()
      }
      try {
        const leave = gate({ signal: life.signal, release })
        if (leave) {
          if (!life._ended) this._change('waiting')
          await life._race(leave)
        }
      } catch (thrown) {
        life._check()
        this._fail(thrown)
      }
      passed = true
      // A gate that cannot make up its mind must not hold the event loop.
      if (released) await life._race(turn())
      life._check()
    }
  }

  private _drop(reason: unknown, status: EventStreamStatus): void {
    if (this._over || this.status === 'idle') return
    const life = this._life
    // The caller's last word counts.
    if (reason !== LET_GO) {
      life.reason = reason
      this.error = reason instanceof SseError ? reason : undefined
      this._word = reason !== RECONNECT
    }
    if (reason === RECONNECT) {
      this._unauthorized = false
      this.failures = this._times = 0
    }
    // Before the signal, whose listeners may say another word.
    this._change(status)
    life._end(reason)
  }

  /** What was read stays, to be handed over first. */
  private _disconnect(): void {
    this._stopWatching()
    this._reader?.cancel().catch(ignore)
    this._reader = undefined
  }

  /** Says which attempt it was, and where it went: no response may have said so. */
  private _describe(error: SseError): void {
    error.attempt = this.attempt
    const origin = originOf(this._plan._request._url)
    if (!__DEV__ && origin && error.message === error.code) error.message += ` ${origin}`
  }

  private _fail(error: unknown, reason: 'failed' | 'aborted' = 'failed'): void {
    if (error instanceof SseError) this._describe(error)
    if (__DEV__ && this._plan.changed && reason === 'failed') noteUnopened(this, error, false)
    this._finish(reason, { error })
  }

  private _finish(reason: Over['reason'], failure?: { error: unknown }): void {
    if (this._over) return
    this._over = { reason, ...failure }
    this._plan.signal?.removeEventListener('abort', this._abort)
    alight(this)
    // A new iteration goes on with a stream that was stopped or failed, not with one that is complete.
    if (reason === 'complete' || reason === 'no-content') {
      this._cursor._first = undefined
      this._cursor._begun = false
    }
    // Before the signal, whose listeners may look at it.
    this.status = 'closed'
    this.retryAt = this.response = undefined
    this._life._end(failure?.error)
    this._disconnect()
    this._tell()
    this._plan.changed?.(this)
  }

  /** Settles the `next()` that waits, if one does: why it failed is thrown once. */
  private readonly _tell = (): void => {
    const { _over: over, _resolve: resolve, _reject: reject } = this
    if (!resolve) return
    this._resolve = undefined
    if (!over) {
      resolve(this._again())
      return
    }
    this._busy = false
    if ('error' in over && !this._told) {
      this._told = true
      reject?.(over.error)
    } else resolve(this._end)
  }
}

/** What may be why `until` never saw its event, for a message. */
function leftOutBy(types: Set<string> | undefined): string {
  const names = Array.from(types ?? [], (type) => JSON.stringify(type))
  return names.length > 0 ? `. decode left out the events of type ${names.join(', ')}` : ''
}
