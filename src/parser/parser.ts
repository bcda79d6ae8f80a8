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

const LF = 10
const CR = 13
const SPACE = 32
const COLON = 58
// The first letters of the fields.
const D = 100
const E = 101
const I = 105
const R = 114
const NAMES: Record<number, string> = {
  [COLON]: '',
  [D]: 'data',
  [E]: 'event',
  [I]: 'id',
  [R]: 'retry',
}

/** Bytes: chunks up to this are collected until a line ends, in this many bytes at most. */
const TINY = 64
const COLLECTED = 1024
/** UTF-16 units that are kept of a line that does not count, and of the text since the last event. */
const EXCERPT = 4096
/** Units of a line that tell its field, and whether a space comes before the value. */
const HEAD = 7

// What the block being read holds. One too large is read to its end, and dropped.
const NOTHING = 0
const UNKNOWN = 1
const FIELDS = 2
const EXCESS = 3

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
  reconnectionTime: number | undefined = undefined
  /** @internal The own `id` of the block that the last event came from. */
  _id: string | undefined = undefined
  /** @internal The input ended within a block that counts: comments and blank lines do not. */
  _unfinished = false
  /** @internal The input ended with the end of a line. */
  _lineEnded = true

  private readonly _options: EventStreamParserOptions<E>
  private readonly _block: EventStreamParserOptions<E>['block']
  private readonly _max: number
  /** For text that is not ASCII; it also keeps the start of a character that a chunk cuts. */
  private _decoder: TextDecoder | undefined = undefined
  /** Most bytes of the last chunk were not ASCII. */
  private _dense = false
  /** The last chunk may have ended within a character, which the next text begins with. */
  private _cut = false
  private _collector: Uint8Array | undefined = undefined
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
  private _limited = false
  private _careful = true
  private _ended = false
  /** Where in `_text` the last event ended, and the text since then that came before `_text`. */
  private _since = 0
  private _before = ''

  /** The line that has no end yet. */
  private _tail = ''
  /** The most units it may come to; 0 where it does not count, -1 where it was too large. */
  private _most = 0

  // The block being read, in the standard's buffers: each line of `data` has its LF.
  private _holds = NOTHING
  private _data: string | undefined = undefined
  private _type = ''
  private _ownId: string | undefined = undefined
  private _retry: number | undefined = undefined
  /** How many strings `_tail` and `_data` may consist of. */
  private _parts = 0

  /** @throws {RangeError} for a `maxEventSize` that is no number above 0, in the development build */
  constructor(options: EventStreamParserOptions<E> = {}) {
    this._options = options
    this._block = options.block
    this._max = options.maxEventSize ?? 2 ** 24
    this.lastEventId = options.lastEventId ?? ''
    if (__DEV__) checkParser(options)
  }

  /** UTF-16 units held: what `next()` has not read, and what is not complete. For limits of your own. */
  get buffered(): number {
    return this._rest.length + this._text.length - this._at + this._collected + this._held
  }

  /**
   * Takes a chunk: text, or bytes in UTF-8. It keeps what `next()` has not read yet.
   *
   * @throws {TypeError} for anything else, in the development build
   */
  feed(chunk: EventStreamChunk): void {
    if (typeof chunk === 'string') {
      this._flush()
      this._take(chunk)
      return
    }
    if (__DEV__ && !ArrayBuffer.isView(chunk) && !/ArrayBuffer/.test(`${chunk}`)) {
      throw new TypeError(`Expected a chunk of text or bytes, got ${chunk}`)
    }
    const view = chunk as ArrayBufferView
    const bytes =
      chunk instanceof Uint8Array
        ? chunk
        : new Uint8Array(view.buffer ?? chunk, view.byteOffset, view.byteLength)
    const { length } = bytes
    if (length > TINY || (this._collected === 0 && bytes[length - 1] === LF)) {
      this._flush()
      this._decode(bytes)
      return
    }
    // A line in many tiny chunks is decoded once: 2.2x on 1-16 byte chunks (npm run bench parse).
    this._collector ??= new Uint8Array(COLLECTED)
    let full = this._collected > COLLECTED - 2 * TINY
    for (let i = 0; i < length; i++) {
      const byte = bytes[i] as number
      this._collector[this._collected++] = byte
      if (byte === LF || byte === CR) full = true
    }
    if (full || this.buffered > this._max) this._flush()
  }

  private _flush(): void {
    const length = this._collected
    this._collected = 0
    if (length > 0) this._decode((this._collector as Uint8Array).subarray(0, length))
  }

  private _decode(bytes: Uint8Array): void {
    const { length } = bytes
    // Where no decoder state is needed, the stateless decoder is 6 times as fast for ASCII on Node 20
    // and 22, and a fifth faster for short chunks on 24 and 26. But it takes twice as long for CJK on 20.
    const cut = (bytes[length - 1] as number) > 0x7f
    let text: string
    if (cut || this._cut || this._dense) {
      this._decoder ??= newDecoder()
      text = this._decoder.decode(bytes, { stream: true })
    } else {
      text = utf8().decode(bytes)
    }
    this._cut = cut
    this._dense = text.length * 2 < length
    this._take(text)
  }

  private _take(text: string): void {
    this._rest += text
    if (this._at === this._text.length) this._load()
  }

  /**
   * The next event; `undefined` when there is none before the next `feed()`.
   *
   * @throws {SseError} `too-large`; and what `block`, `onComment`, `onRetry` or `onIgnored` throw
   */
  next(): E | undefined {
    // Most events: one line of data, LF, LF. Small, so that V8 makes it part of the caller's loop.
    const { _text: text, _at: start } = this
    if (
      text.charCodeAt(start) === D &&
      text.charCodeAt(start + 4) === COLON &&
      text.charCodeAt(start + 1) === 97 &&
      text.charCodeAt(start + 2) === 116 &&
      text.charCodeAt(start + 3) === 97 &&
      this._holds === NOTHING &&
      !this._careful
    ) {
      if (this._lf < start) this._lf = search(text, '\n', start)
      if (this._cr < start) this._cr = search(text, '\r', start)
      const end = this._lf
      if (end < this._cr && text.charCodeAt(end + 1) === LF) {
        this._since = this._at = end + 2
        this._before = ''
        this._id = undefined
        const data = text.slice(start + (text.charCodeAt(start + 5) === SPACE ? 6 : 5), end)
        const { lastEventId } = this
        return { type: 'message', data, lastEventId } as E
      }
    }
    return this._next()
  }

  private _next(): E | undefined {
    for (;;) {
      const { _text: text, _at: start } = this
      if (start === text.length) {
        if (this._load()) continue
        return this._ended ? this._finish() : undefined
      }
      const continued = this._tail !== ''
      const first = text.charCodeAt(start)
      let end = start
      if (continued || (first !== LF && first !== CR)) {
        if (this._lf < start) this._lf = search(text, '\n', start)
        if (this._cr < start) this._cr = search(text, '\r', start)
        end = this._cr < this._lf ? this._cr : this._lf
        if (end === text.length) {
          this._at = end
          this._hold(text.slice(start))
          continue
        }
      }
      this._at = end + 1
      if (text.charCodeAt(end) === CR) {
        if (text.charCodeAt(end + 1) === LF) this._at++
        else if (this._at === text.length) this._skip = LF
      }
      if (continued) {
        const line = this._tail + text.slice(start, end)
        const most = this._most
        this._tail = ''
        this._most = 0
        this._careful = this._limited || !!this._block
        if (most >= 0) this._line(line, 0, line.length)
      } else if (end > start) this._line(text, start, end)
      else {
        const event = this._dispatch()
        if (event !== undefined) return event
      }
    }
  }

  /** The input has ended: `next()` gives the rest, then `undefined`. */
  end(): void {
    this._flush()
    this._take(this._decoder?.decode() ?? '')
    this._ended = true
  }

  /** @internal The original text since the last event, 4,096 units at most. */
  get _excerpt(): string {
    const { _before: before, _since: since } = this
    return before + this._text.slice(since, since + EXCERPT - before.length)
  }

  /** Begins with the next text, if there is any, and lets go of the one that has been read. */
  private _load(): boolean {
    const { _rest: text } = this
    this._before = this._excerpt
    this._rest = ''
    this._text = text
    this._at = 0
    this._lf = this._cr = -1
    if (text !== '') {
      if (text.charCodeAt(0) === this._skip) this._at = 1
      this._skip = -1
      // What this text cannot bring over the limit is not held against it line by line.
      this._limited = this._holds === EXCESS || this._held + text.length > this._max
    }
    this._careful = this._limited || !!this._block || this._tail !== ''
    this._since = this._before === '' ? this._at : 0
    return text !== ''
  }

  /** Keeps the start of a line. */
  private _hold(part: string): void {
    if (this._most >= 0 && this._tail.length < HEAD) {
      this._tail += part
      this._most = 0
      this._line(this._tail, 0, this._tail.length, true)
    } else if (this._most > 0 || this._tail.length <= EXCERPT) {
      this._tail = this._join(this._tail, part)
    }
    if (this._most > 0 && this._tail.length > this._most) {
      const first = this._tail.charCodeAt(0)
      // It stands for the line until its end.
      this._tail = this._tail.charAt(0)
      this._most = -1
      this._exceed(first)
    }
  }

  /** @param open - whether the line has no end yet: all that is done is to say how long it may get */
  private _line(text: string, start: number, end: number, open?: boolean): void {
    const first = text.charCodeAt(start)
    if (first === COLON) {
      if (!this._options.onComment) return
    } else if (this._holds === NOTHING && !open) this._holds = UNKNOWN
    const name = NAMES[first]
    if (name !== undefined) {
      let from = start
      for (let i = 0; i < name.length; i++) {
        if (text.charCodeAt(from) === name.charCodeAt(i)) from++
      }
      if (
        from === start + name.length &&
        (text.charCodeAt(from) === COLON || (from === end && !open))
      ) {
        // May be beyond the end of the line, where the value is empty.
        if (text.charCodeAt(++from) === SPACE) from++
        if (first !== R && (open || this._limited)) {
          const room = this._room(first)
          if (open) {
            if (this._holds !== EXCESS) this._most = from + room
            return
          }
          if (end - from > room && this._holds !== EXCESS) this._exceed(first)
        }
        const value = text.slice(from, end)
        if (first === COLON) {
          this._options.onComment?.(value)
          return
        }
        if (first !== R) {
          if (this._holds !== EXCESS) {
            this._holds = FIELDS
            if (first === D) {
              this._data = this._data === undefined ? value : this._join(this._data, `\n${value}`)
            } else if (first === E) this._type = value
            // Not `includes`, which V8 does not inline: a tenth of a named event (Node 20).
            else if (value.indexOf('\0') < 0) {
              // A copy: V8 makes a slice of 13 or more keep its whole chunk, and IDs are kept for long.
              this._ownId = value.length < 13 ? value : ` ${value}`.slice(1)
            }
          }
          return
        }
        if (!open && value.length <= EXCERPT && /^\d+$/.test(value)) {
          if (this._holds < FIELDS) this._holds = FIELDS
          this.reconnectionTime = this._retry = Number(value)
          this._options.onRetry?.(this.reconnectionTime)
          return
        }
      }
    }
    if (!open) this._options.onIgnored?.(text.slice(start, Math.min(end, start + EXCERPT)))
  }

  /** Ends the block. Whatever `block` throws, nothing of it gets into the next one. */
  private _dispatch(): E | undefined {
    const { _holds: holds, _type: type, _data: data, _ownId: id, _retry: retry } = this
    this._clear()
    let event: E | undefined
    if (holds === FIELDS) {
      if (id !== undefined) this.lastEventId = id
      const { lastEventId, _block: block } = this
      if (block) {
        event = block({ event: type || undefined, data, id, retry, lastEventId })
      } else if (data !== undefined) {
        event = { type: type || 'message', data, lastEventId } as E
      }
    }
    if (event !== undefined) this._id = id
    // Comments alone are no part of what an error shows.
    if (event !== undefined || holds === NOTHING) {
      this._since = this._at
      this._before = ''
    }
    return event
  }

  /** The input has ended and has been read. */
  private _finish(): E | undefined {
    const { _tail: line, _before: before } = this
    this._ended = false
    this._tail = ''
    this._lineEnded = line === ''
    this._unfinished = this._holds > NOTHING || /^[^:]/.test(line)
    if (this._options.incomplete !== 'deliver') return undefined
    if (/^(data|event)(:|$)/.test(line)) this._line(line, 0, line.length)
    // It may be cut, and so may what follows it.
    this._ownId = undefined
    const event = this._dispatch()
    this._before = before
    return event
  }

  /** The size of what is not complete. */
  private get _held(): number {
    return this._tail.length + this._type.length + size(this._data) + size(this._ownId)
  }

  /** How long a value of this field may be, or a comment. */
  private _room(first: number): number {
    if (first === COLON) return this._max
    const { _data: data, _type: type, _ownId: id } = this
    return (
      this._max -
      (first === E ? 0 : type.length) -
      (first === I ? 0 : size(id)) -
      // With an LF between the lines.
      (first === D && data !== undefined ? data.length + 1 : size(data))
    )
  }

  private _clear(): void {
    this._holds = NOTHING
    this._type = ''
    this._data = this._ownId = this._retry = undefined
  }

  /** @param first - of the line that is too large: a comment leaves the block as it is */
  private _exceed(first: number): never {
    if (first !== COLON) {
      this._clear()
      this._holds = EXCESS
      this._limited = true
    }
    throw new SseError(
      'too-large',
      __DEV__
        ? `Expected an event of at most ${this._max} characters, got more. Raise maxEventSize if the server is right`
        : '',
    )
  }

  /**
   * V8 keeps a sum of strings as a tree of its parts, 32 bytes a node: 512 MiB for 16 MiB of `data`
   * lines without a value, or of a line that comes letter by letter. Cutting flattens the tree.
   */
  private _join(text: string, part: string): string {
    const sum = text + part
    if (++this._parts < 16_384 + sum.length / 64) return sum
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

const size = (text: string | undefined): number => (text === undefined ? 0 : text.length)

// The parser strips the one BOM that the spec allows; U+FEFF inside data must stay.
const newDecoder = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true })

// Made at the first use: nothing but definitions runs when a module is imported.
let shared: TextDecoder | undefined
function utf8(): TextDecoder {
  shared ??= newDecoder()
  return shared
}
