import { kindOf } from '../development/expect'
import { checkParser } from '../development/options'
import { SseError } from '../errors'
import type { ServerSentEvent } from './event'

/**
 * What stands in one block of lines, not more: no defaults, and nothing carried over.
 *
 * @example
 * ```ts
 * import { type EventStreamBlock, readEvents } from 'tidings/parser'
 *
 * // SDKs whose events may have a type and no data.
 * const block = ({ event, data }: EventStreamBlock) => ({ event, data: data ?? null })
 * for await (const { event } of readEvents(await fetch('/api/run'), { block })) show(event)
 * ```
 */
export interface EventStreamBlock {
  /** The `event` field; `undefined` where it is absent or empty. */
  readonly event: string | undefined
  /** The `data` lines joined by LF; `undefined` without any, `''` for `data:`. */
  readonly data: string | undefined
  /** The block's own `id`; `undefined` without a valid one, `''` where it clears the last one. */
  readonly id: string | undefined
  /** The block's own `retry`, in milliseconds. */
  readonly retry: number | undefined
  /** The last event ID as the standard keeps it after this block. */
  readonly lastEventId: string
}

/**
 * A piece of an event stream, cut anywhere.
 *
 * @example
 * ```ts
 * import { type EventStreamChunk, EventStreamParser } from 'tidings/parser'
 *
 * const parser = new EventStreamParser()
 * const onMessage = (chunk: EventStreamChunk) => parser.feed(chunk)
 * ```
 */
export type EventStreamChunk = string | ArrayBuffer | ArrayBufferView

/**
 * Options of everything in `tidings/parser`.
 *
 * @example
 * ```ts
 * import { readEvents } from 'tidings/parser'
 *
 * const events = readEvents(await fetch('/api/feed'), {
 *   maxEventSize: 65_536, // UTF-16 code units
 *   onComment: (text) => show('comment:', text),
 * })
 * ```
 */
export interface EventStreamParserOptions<E = ServerSentEvent> {
  /** The last event ID that the first events carry. Default: `''`. */
  lastEventId?: string | undefined
  /**
   * The most UTF-16 code units that an event's data, type and own ID may take together; one more
   * fails with code `too-large`. It bounds a comment that `onComment` hears as well.
   * `Infinity` lifts it. Default: 16 Mi (16,777,216).
   */
  maxEventSize?: number | undefined
  /**
   * What becomes of an event without its blank line when the input ends. `'drop'`, the standard:
   * nothing. `'deliver'`: it is the last event, with the last event ID before it, because the `id`
   * of an unfinished block may be cut. Default: `'drop'`.
   */
  incomplete?: 'drop' | 'deliver' | undefined
  /**
   * What a block becomes, asked at the end of every block with a field, also without data;
   * `undefined` leaves it out. Default: a {@link ServerSentEvent}, and nothing without data.
   */
  block?: ((block: EventStreamBlock) => E | undefined) | undefined
  /** Called with the text of each comment, at its place between the events. */
  onComment?: ((text: string) => void) | undefined
  /** Called with each valid `retry`, in milliseconds, when its line has ended. */
  onRetry?: ((milliseconds: number) => void) | undefined
  /** Called with each line that is ignored: an unknown field, a `retry` that is no number. 4 KiB of it at most. */
  onIgnored?: ((line: string) => void) | undefined
}

// biome-ignore-start lint/suspicious/noConstEnum: nothing is left of them, in every bundle

const enum Code {
  LF = 10,
  CR = 13,
  Space = 32,
  Colon = 58,
  A = 97,
  D = 100,
  E = 101,
  I = 105,
  N = 110,
  T = 116,
  V = 118,
}

const enum Size {
  /** Bytes: chunks up to this are collected until a line ends, in `Collected` bytes at most. */
  Tiny = 64,
  Collected = 1024,
  /** UTF-16 units kept of a line that does not count, and of the text since the last event. */
  Excerpt = 4096,
  /** Units of a line that tell its field, and whether a space comes before the value. */
  Head = 7,
  /** Strings that are added up before they are made one. */
  Parts = 16_384,
}

/** What the block being read has. One in excess is too large: it is read to its end, and dropped. */
const enum Holds {
  Nothing,
  Unknown,
  Fields,
  Excess,
}
// biome-ignore-end lint/suspicious/noConstEnum: see above

/**
 * An incremental parser that is pulled: chunks in by `feed()`, events out by `next()`.
 *
 * Nothing is parsed before it is asked for, and what a callback throws, `next()` throws; the next
 * call goes on after it. The ID given to the constructor is carried over, as every browser does,
 * unlike the letter of the spec, which starts each connection with an empty last event ID buffer.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 *
 * @example
 * ```ts
 * import { EventStreamParser } from 'tidings/parser'
 *
 * const parser = new EventStreamParser()
 * parser.feed('data: hello\n\ndata: wor')
 * for (let event = parser.next(); event; event = parser.next()) show(event.data) // hello
 * ```
 */
export class EventStreamParser<E = ServerSentEvent> {
  /**
   * What the following events carry, until an `id` replaces it; you may set it between events.
   * It moves when a block ends, never on the `id` line: a stream cut in between moves nothing.
   */
  lastEventId: string
  /** Milliseconds, as the server last asked with `retry`; `undefined` until it does. */
  reconnectionTime: number | undefined
  /** @internal The own `id` of the block that the event came from which `next()` has returned. */
  _id: string | undefined
  /** @internal Whether the input ended in a block that has more than comments. */
  _unfinished = false
  /** @internal Whether the input ended with the end of a line. */
  _lineEnded = true

  private readonly _options: EventStreamParserOptions<E>
  private readonly _max: number
  /** Keeps the start of a character that a chunk cuts. */
  private _decoder: TextDecoder | undefined
  /** The next chunk needs that decoder, or is faster with it. */
  private _stateful = false
  private _collector: Uint8Array | undefined
  private _collected = 0

  /** What has been fed after `_text`. */
  private _rest = ''
  /** What is being read, from where, and where its next LF and CR are: below `_at`, not known. */
  private _text = ''
  private _at = 0
  private _lf = -1
  private _cr = -1
  /** What the next text may begin with that is not read: a BOM, or the LF of a CRLF. */
  private _skip = 0xfeff
  /** The text may bring a block over the limit. */
  private _careful = false
  /** Where in `_text` the last event ended, and the text since then that came before `_text`. */
  private _since = 0
  private _before = ''
  private _ended = false

  /** The line that has no end yet, and the most units it may come to; 0 where it does not count. */
  private _tail = ''
  private _most = 0

  // The block being read, beside `_id`. No `data` line is not an empty one.
  private _holds = Holds.Nothing
  private _type = ''
  private _data: string | undefined
  private _retry: number | undefined
  /** Of how many strings `_tail` and `_data` consist at most. */
  private _parts = 0

  /** @throws {TypeError | RangeError} for options that can never work, in the development build */
  constructor(options: EventStreamParserOptions<E> = {}) {
    this._options = options
    this._max = options.maxEventSize ?? 2 ** 24
    this.lastEventId = options.lastEventId ?? ''
    if (__DEV__) checkParser(options)
  }

  /** UTF-16 units held: what `next()` has not read, and what is not complete. For limits of your own. */
  get buffered(): number {
    const unread = this._collected + this._rest.length + this._text.length - this._at
    return unread + this._tail.length + (this._holds && this._size)
  }

  /** What `maxEventSize` bounds. */
  private get _size(): number {
    return this._type.length + (this._id?.length ?? 0) + (this._data?.length ?? 0)
  }

  /**
   * Takes a chunk: text, or bytes in UTF-8. It keeps what `next()` has not read yet.
   *
   * @throws {TypeError} for anything else, in the development build
   */
  feed(chunk: EventStreamChunk): void {
    if (typeof chunk === 'string') {
      this._flush()
      this._rest += chunk
      return
    }
    if (
      __DEV__ &&
      !ArrayBuffer.isView(chunk) &&
      !/Buffer\]$/.test(Object.prototype.toString.call(chunk))
    ) {
      throw new TypeError(`Expected a chunk of text or bytes, got ${kindOf(chunk)}`)
    }
    const view = chunk as ArrayBufferView
    const bytes =
      chunk instanceof Uint8Array
        ? chunk
        : new Uint8Array(view.buffer ?? chunk, view.byteOffset, view.byteLength)
    const { length } = bytes
    if (length > Size.Tiny || (!this._collected && bytes[length - 1] === Code.LF)) {
      this._flush()
      this._decode(bytes)
      return
    }
    // A line in many tiny chunks is decoded once: 2.2x on 1-16 byte chunks (npm run bench parse).
    this._collector ??= new Uint8Array(Size.Collected)
    let full = this._collected > Size.Collected - 2 * Size.Tiny
    for (const byte of bytes) {
      this._collector[this._collected++] = byte
      if (byte === Code.LF || byte === Code.CR) full = true
    }
    if (full || this.buffered > this._max) this._flush()
  }

  private _flush(): void {
    const { _collector: bytes, _collected: length } = this
    this._collected = 0
    if (length) this._decode((bytes as Uint8Array).subarray(0, length))
  }

  private _decode(bytes: Uint8Array): void {
    const { length } = bytes
    const cut = (bytes[length - 1] as number) > 0x7f
    let text: string
    if (cut || this._stateful) {
      this._decoder ??= newDecoder()
      text = this._decoder.decode(bytes, { stream: true })
    } else {
      stateless ??= newDecoder()
      text = stateless.decode(bytes)
    }
    // The stateless decoder is 6 times as fast for ASCII on Node 20 and 22, and a fifth faster for
    // short chunks on 24 and 26; but it takes twice as long for Chinese on 20 and 22.
    this._stateful = cut || text.length * 2 < length
    this._rest += text
  }

  /** Goes on with the next text, if there is any, and lets go of the one that has been read. */
  private _load(): string {
    const { _rest: text } = this
    if (this._since < this._text.length) this._before = this._excerpt
    this._rest = ''
    this._text = text
    this._at = 0
    this._lf = this._cr = -1
    if (text) {
      if (text.charCodeAt(0) === this._skip) this._at = 1
      this._skip = -1
      // What this text cannot bring over the limit is not held against it line by line.
      this._careful =
        this._holds === Holds.Excess || this._tail.length + this._size + text.length > this._max
    }
    this._since = this._before ? 0 : this._at
    return text
  }

  /**
   * The next event; `undefined` when there is none before the next `feed()`.
   *
   * @throws {SseError} `too-large`, after which the rest of that block is passed over; and what
   * `block`, `onComment`, `onRetry` or `onIgnored` throw
   */
  next(): E | undefined {
    if (this._at === this._text.length) this._load()
    // Most events: one line of data and a blank one. Small, so that V8 puts it into its caller's loop:
    // 1.1x on 40 B events (npm run bench parse).
    const { _text: text, _at: start } = this
    if (
      text.charCodeAt(start) === Code.D &&
      text.charCodeAt(nameEnd(text, start)) === Code.Colon &&
      !this._holds &&
      !this._tail &&
      !this._careful &&
      !this._options.block
    ) {
      if (this._lf < start) this._lf = search(text, '\n', start)
      if (this._cr < start) this._cr = search(text, '\r', start)
      const end = this._lf
      if (end < this._cr && text.charCodeAt(end + 1) === Code.LF) {
        this._since = this._at = end + 2
        this._before = ''
        this._id = undefined
        const data = text.slice(start + (text.charCodeAt(start + 5) === Code.Space ? 6 : 5), end)
        return { type: 'message', data, lastEventId: this.lastEventId } as E
      }
    }
    return this._next()
  }

  private _next(): E | undefined {
    if (!this._holds) this._id = undefined
    const { _text: text } = this
    let { _at: start, _lf: lf, _cr: cr, _tail: tail } = this
    while (start < text.length) {
      const first = text.charCodeAt(start)
      let end = start
      // A blank line is found without a search.
      if (first === Code.CR) cr = start
      else if (first !== Code.LF) {
        if (lf < start) this._lf = lf = search(text, '\n', start)
        if (cr < start) this._cr = cr = search(text, '\r', start)
        end = cr < lf ? cr : lf
        if (end === text.length) break
      }
      // A CR ends its line at once; the LF that may follow belongs to it, in this text or the next.
      let after = end + 1
      if (end === cr) {
        if (text.charCodeAt(after) === Code.LF) after++
        else if (after === text.length) this._skip = Code.LF
      }
      this._at = after
      if (tail) {
        const line = tail + text.slice(start, end)
        this._tail = tail = ''
        this._other(line, 0, line.length)
      } else if (end > start) {
        const from = nameEnd(text, start)
        if (text.charCodeAt(from) !== Code.Colon || from === start || this._careful) {
          this._other(text, start, end)
        } else {
          const value = from + (text.charCodeAt(from + 1) === Code.Space ? 2 : 1)
          this._set(first, text.slice(value, end))
        }
      } else if (this._holds) {
        const event = this._dispatch()
        if (event !== undefined) return event
      } else {
        // Comments alone are no part of what an error shows.
        this._since = after
        this._before = ''
      }
      start = after
    }
    if (start < text.length) {
      this._at = text.length
      this._hold(text.slice(start))
    }
    // A callback may have fed more.
    if (this._load()) return this.next()
    return this._ended ? this._finish() : undefined
  }

  /** Keeps the start of a line: all of it where it counts, else what may be shown of it. */
  private _hold(part: string): void {
    if (this._tail.length < Size.Head) {
      this._tail += part
      const [head, name] = /^(data|event|id|): ?/.exec(this._tail) ?? []
      this._most = 0
      if (head && this._holds < Holds.Excess && (name || this._options.onComment)) {
        this._most = this._max + head.length
        if (name === 'data') this._most -= this._size + (this._data === undefined ? 0 : 1)
      }
    } else if (this._tail.length <= (this._most || Size.Excerpt)) {
      this._tail = this._join(this._tail, part)
    }
    if (this._most && this._tail.length > this._most) {
      this._tail = this._tail.slice(0, Size.Head)
      this._most = 0
      this._exceed()
    }
  }

  private _set(first: number, value: string): void {
    this._holds = Holds.Fields
    if (first === Code.D) {
      this._data = this._data === undefined ? value : this._join(this._data, `\n${value}`)
    } else if (first === Code.E) this._type = value
    // Not `includes`, which V8 does not inline: a tenth of a named event (Node 20).
    else if (value.indexOf('\0') < 0) {
      // A copy: V8 makes a slice of 13 or more keep its whole chunk, and IDs are kept for long.
      this._id = value.length < 13 ? value : ` ${value}`.slice(1)
    }
  }

  /** What is rare: a comment that is heard, a field without a value or that is not known, `retry`. */
  private _other(text: string, start: number, end: number): void {
    const { onComment, onRetry, onIgnored } = this._options
    const first = text.charCodeAt(start)
    const name = nameEnd(text, start)
    const hear = first === Code.Colon ? onComment : undefined
    if (this._holds === Holds.Excess || (first === Code.Colon && !hear)) return
    if (text.charCodeAt(name) === Code.Colon || name === end) {
      const value = text.slice(name + (text.charCodeAt(name + 1) === Code.Space ? 2 : 1), end)
      if (!hear) this._set(first, value)
      if (value.length > this._max || this._size > this._max) this._exceed()
      hear?.(value)
      return
    }
    const line = text.slice(start, end)
    // Bounded, because a line that does not count is not kept as a whole.
    const [, digits] = /^retry: ?(\d{1,999})$/.exec(line) ?? []
    if (digits) {
      this._holds = Holds.Fields
      this.reconnectionTime = this._retry = Number(digits)
      onRetry?.(this.reconnectionTime)
    } else {
      this._holds ||= Holds.Unknown
      onIgnored?.(line.slice(0, Size.Excerpt))
    }
  }

  /** Ends the block. Whatever `block` throws, nothing of it gets into the next one. */
  private _dispatch(): E | undefined {
    const { _holds: holds, _type: type, _data: data, _id: id, _retry: retry } = this
    this._clear(Holds.Nothing)
    if (holds !== Holds.Fields) return undefined
    if (id !== undefined) this.lastEventId = id
    const { lastEventId } = this
    const { block } = this._options
    let event: E | undefined
    if (block) event = block({ event: type || undefined, data, id, retry, lastEventId })
    else if (data !== undefined) event = { type: type || 'message', data, lastEventId } as E
    if (event !== undefined) {
      this._id = id
      this._since = this._at
      this._before = ''
    }
    return event
  }

  /** The input has ended: `next()` gives the rest, then `undefined`. */
  end(): void {
    this._flush()
    this._rest += this._decoder?.decode() ?? ''
    this._ended = true
  }

  private _finish(): E | undefined {
    const { _tail: line, _before: before } = this
    this._ended = false
    this._tail = ''
    this._lineEnded = !line
    this._unfinished = !!this._holds || /^[^:]/.test(line)
    if (this._options.incomplete !== 'deliver') return undefined
    if (/^(data|event)(:|$)/.test(line)) this._other(line, 0, line.length)
    // It may be cut, and so may what follows it.
    this._id = undefined
    const event = this._dispatch()
    this._before = before
    return event
  }

  /** @internal The original text since the last event, 4,096 units at most. */
  get _excerpt(): string {
    const { _before: before, _since: since } = this
    return before + this._text.slice(since, since + Size.Excerpt - before.length)
  }

  private _clear(holds: Holds): void {
    this._holds = holds
    this._type = ''
    this._id = this._data = this._retry = undefined
  }

  private _exceed(): never {
    this._clear(Holds.Excess)
    throw new SseError(
      'too-large',
      __DEV__ &&
        `Expected an event of at most ${this._max} characters, got more. Raise maxEventSize if the server is right`,
    )
  }

  /**
   * V8 keeps a sum of strings as a tree of its parts, 32 bytes a node: 512 MiB for 16 MiB of `data`
   * lines without a value, or of a line that comes letter by letter. Cutting flattens the tree.
   */
  private _join(text: string, part: string): string {
    const sum = text + part
    if (++this._parts < Size.Parts + sum.length / 64) return sum
    this._parts = 0
    return sum.slice(0, -1) + sum.slice(-1)
  }
}

/**
 * Where the next one is; the length of the text where there is none. That branch matters: V8 sinks a
 * bare `indexOf` into the loop that looks at its result now and then, and searches again for each
 * line, 60 times as slow for 64 KiB of blank lines.
 */
function search(text: string, ending: string, start: number): number {
  const at = text.indexOf(ending, start)
  return at < 0 ? text.length : at
}

/**
 * The index after the name of `data`, `id` or `event`; `start` itself for any other line. By hand:
 * 1.3x on named events, because V8 does not inline `startsWith`.
 */
function nameEnd(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (first === Code.D) {
    const is =
      text.charCodeAt(start + 1) === Code.A &&
      text.charCodeAt(start + 2) === Code.T &&
      text.charCodeAt(start + 3) === Code.A
    return is ? start + 4 : start
  }
  if (first === Code.I) return text.charCodeAt(start + 1) === Code.D ? start + 2 : start
  const is =
    first === Code.E &&
    text.charCodeAt(start + 1) === Code.V &&
    text.charCodeAt(start + 2) === Code.E &&
    text.charCodeAt(start + 3) === Code.N &&
    text.charCodeAt(start + 4) === Code.T
  return is ? start + 5 : start
}

// The parser strips the one BOM that the spec allows; U+FEFF inside data must stay.
const newDecoder = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true })

// Made at the first use: nothing but definitions runs when a module is imported.
let stateless: TextDecoder | undefined
