import { SseError } from './errors'

/**
 * One event of an event stream: a subset of `MessageEvent`, so a handler takes either.
 *
 * @example
 * ```ts
 * import { events, type ServerSentEvent } from 'tidings'
 *
 * const log = ({ type, data, lastEventId }: ServerSentEvent) => show(type, data, lastEventId)
 * for await (const event of events('/api/feed')) log(event)
 * ```
 */
export interface ServerSentEvent<Type extends string = string, Data = string> {
  /** The `event` field; `'message'` when it is absent or empty. */
  readonly type: Type
  /** The `data` lines joined by LF, as text or as `decode` made of it. */
  readonly data: Data
  /** The stream's last event ID at this event; one without an `id` carries the last one over. */
  readonly lastEventId: string
}

/** What bounds and observes the reading of an event stream. */
export interface ParserOptions {
  /**
   * The most UTF-16 code units that the event being built and the line being read may take
   * together; one more fails with code `too-large`. Default: 16 MiB (16,777,216).
   */
  maxEventSize?: number
  /** Called with the text of every comment, less its colon and one space after it. */
  onComment?: (text: string) => void
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

/** Bytes: chunks up to this are collected until a line ends, in this many bytes at most. */
const TINY = 64
const COLLECTED = 1024
/** Parts of a text before it is made one. */
const MOST_PARTS = 16_384

/**
 * An incremental parser: chunks in, events out.
 *
 * Unlike the letter of the spec, which starts every connection with an empty last event ID buffer,
 * the ID given to the constructor is carried over, as every browser does.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventStreamParser<E = ServerSentEvent> {
  /** Moves when a block ends, never on the `id` line: a stream cut in between moves nothing. */
  lastEventId: string
  /** Milliseconds, as the server last asked with `retry`; `undefined` until it does. */
  reconnectionTime: number | undefined
  readonly #maxEventSize: number
  readonly #onComment: ParserOptions['onComment']
  readonly #replayed: ReadonlySet<string> | undefined
  /** For text that is not ASCII; it also keeps the start of a character that a chunk cuts. */
  #decoder: TextDecoder | undefined
  #ascii = true
  /** The last chunk may have ended within a character, which the next text begins with. */
  #cut = false
  #collector: Uint8Array | undefined
  #collected = 0
  #atStart = true
  #afterCR = false
  /** The line that has no end yet. */
  readonly #tail = new Text()
  // The block being built. Undefined says that the field has not come: `data:` alone is an event.
  #pending = false
  #data: string | undefined
  /** The lines after the first, each with its LF. */
  readonly #moreData = new Text()
  #type = ''
  #id: string | undefined
  #retry: number | undefined

  /** @param replayed - IDs whose events are read but not dispatched again */
  constructor(
    lastEventId = '',
    { maxEventSize = 2 ** 24, onComment }: ParserOptions = {},
    replayed?: ReadonlySet<string>,
  ) {
    this.lastEventId = lastEventId
    this.#replayed = replayed
    this.#maxEventSize = maxEventSize
    this.#onComment = onComment
  }

  /**
   * Reads one chunk and appends the events that it completes to `batch`.
   *
   * @throws {SseError} `too-large`; the events before the excess are in `batch`
   */
  push(chunk: Uint8Array | string, batch: E[]): void {
    if (typeof chunk === 'string') {
      this.#flush(batch)
      this.#read(chunk, undefined, batch)
    } else if (chunk.length <= TINY && (this.#collected > 0 || chunk[chunk.length - 1] !== LF)) {
      // A line in many tiny chunks is decoded once: 2.2x on 1-16 byte chunks (npm run bench parse).
      if (this.#collect(chunk)) this.#flush(batch)
    } else {
      this.#flush(batch)
      this.#read(this.#decode(chunk), chunk, batch)
    }
  }

  /** Says whether what it holds is to be read: a line ends, or there may be too much of it. */
  #collect(chunk: Uint8Array): boolean {
    this.#collector ??= new Uint8Array(COLLECTED)
    let ends = false
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number
      this.#collector[this.#collected++] = byte
      if (byte === LF || byte === CR) ends = true
    }
    return (
      ends ||
      this.#collected > COLLECTED - TINY ||
      this.#size(this.#tail.length + this.#collected) > this.#maxEventSize
    )
  }

  #flush(batch: E[]): void {
    if (this.#collected === 0) return
    const bytes = (this.#collector as Uint8Array).subarray(0, this.#collected)
    this.#collected = 0
    this.#read(this.#decode(bytes), bytes, batch)
  }

  #decode(bytes: Uint8Array): string {
    // While all is ASCII, or was until this chunk, no decoder state is needed: the stateless decoder
    // is 6 times faster for ASCII on Node 20 and 22, the other twice as fast for the rest.
    const whole = (bytes[bytes.length - 1] as number) < 0x80
    let text: string
    if (this.#ascii && whole) {
      text = utf8().decode(bytes)
    } else {
      this.#decoder ??= newDecoder()
      text = this.#decoder.decode(bytes, { stream: true })
    }
    // Equal lengths alone would not do: the last byte of an emoji makes two units of one.
    this.#ascii = !this.#cut && text.length === bytes.length
    this.#cut = !whole
    return text
  }

  /** @param chunk - what `text` was decoded from */
  #read(text: string, chunk: Uint8Array | undefined, batch: E[]): void {
    const { length } = text
    // In ASCII, a byte and its character have the same index, and bytes are quicker to look at.
    const bytes = this.#ascii ? chunk : undefined
    let start = 0
    if (this.#atStart && length > 0) {
      this.#atStart = false
      if (text.charCodeAt(0) === 0xfeff) start = 1
    }
    if (this.#afterCR && length > 0) {
      this.#afterCR = false
      if (text.charCodeAt(start) === LF) start++
    }

    // What this chunk cannot bring over the limit is not held against it line by line.
    const limited = this.#size(this.#tail.length + length) > this.#maxEventSize
    // Each search is remembered until it is passed, so no text is searched twice for one ending.
    let lf = search(text, '\n', start)
    let cr = search(text, '\r', start)
    if (this.#tail.length > 0 && (lf < length || cr < length)) {
      const end = cr < lf ? cr : lf
      const line = this.#tail.take() + text.slice(start, end)
      if (limited) this.#limit(line.length)
      this.#line(line, 0, line.length)
      start = end === cr ? this.#skip(text, end + 1) : end + 1
    }
    while (start < length) {
      let end = start
      const first = bytes ? bytes[start] : text.charCodeAt(start)
      if (first === LF || first === CR) {
        if (this.#pending) this.#dispatch(batch)
        // For the LF that may follow.
        if (first === CR) cr = start
      } else {
        if (lf < start) lf = search(text, '\n', start)
        if (cr < start) cr = search(text, '\r', start)
        end = cr < lf ? cr : lf
        if (end === length) break
        if (limited) this.#limit(end - start)
        let from = bytes ? nameEnd(bytes, start) : start
        if (!bytes || from === start || bytes[from] !== COLON) {
          this.#line(text, start, end)
        } else {
          if (bytes[++from] === SPACE) from++
          if (first === D && end === lf) {
            if (this.#data !== undefined) {
              // 1.3 times as fast as `#field` for many lines (Node 26).
              this.#moreData.add(text.slice(from, end + 1))
              start = end + 1
              continue
            }
            if (!this.#pending && bytes[end + 1] === LF) {
              // An event of one line.
              const event = this.event('', text.slice(from, end), undefined, undefined)
              if (event !== undefined) batch.push(event)
              start = end + 2
              continue
            }
          }
          this.#field(first as number, text.slice(from, end))
        }
      }
      start = end === cr ? this.#skip(text, end + 1) : end + 1
    }
    if (start < length) {
      this.#tail.add(text.slice(start))
      if (limited) this.#limit(this.#tail.length)
    }
  }

  /** A CR ends its line at once; the LF that may follow belongs to it, in this chunk or the next. */
  #skip(text: string, start: number): number {
    this.#afterCR = start === text.length
    return text.charCodeAt(start) === LF ? start + 1 : start
  }

  /**
   * What one block becomes; `undefined` drops it.
   *
   * @param data - `undefined` where the block has no `data` line
   * @param _id - the block's own `id`, if it has one
   * @param _retry - the block's own `retry`, if it has one
   */
  protected event(
    type: string,
    data: string | undefined,
    _id: string | undefined,
    _retry: number | undefined,
  ): E | undefined {
    if (data === undefined) return undefined
    return { type: type || 'message', data, lastEventId: this.lastEventId } as E
  }

  #line(text: string, start: number, end: number): void {
    const first = text.charCodeAt(start)
    if (first === COLON) {
      this.#onComment?.(text.slice(start + (text.charCodeAt(start + 1) === SPACE ? 2 : 1), end))
      return
    }
    const name = NAMES[first]
    if (name === undefined || !text.startsWith(name, start)) return
    let from = start + name.length
    if (from < end) {
      if (text.charCodeAt(from) !== COLON) return
      if (text.charCodeAt(++from) === SPACE) from++
    }
    this.#field(first, text.slice(from, end))
  }

  /** @param name - the first letter of the field's name */
  #field(name: number, value: string): void {
    if (name === D) {
      if (this.#data === undefined) this.#data = value
      else this.#moreData.add(`${value}\n`)
    } else if (name === I) {
      // Not `includes`, which V8 does not inline: a tenth of a named event (Node 20).
      if (value.indexOf('\0') >= 0) return
      // A copy: V8 makes a slice of 13 or more keep its whole chunk, and IDs are kept for long.
      this.#id = value.length < 13 ? value : ` ${value}`.slice(1)
    } else if (name === E) {
      this.#type = value
    } else {
      if (!/^\d+$/.test(value)) return
      this.reconnectionTime = this.#retry = Number(value)
    }
    this.#pending = true
  }

  #dispatch(batch: E[]): void {
    this.#pending = false
    const id = this.#id
    // A replayed event does not move the ID back: cut there, each resume would begin earlier still.
    const replayed = id !== undefined && this.#replayed?.has(id)
    if (id !== undefined && !replayed) this.lastEventId = id
    if (this.#moreData.length > 0) this.#data += `\n${this.#moreData.take().slice(0, -1)}`
    const event = this.event(this.#type, this.#data, id, this.#retry)
    if (event !== undefined && !replayed) batch.push(event)
    this.#type = ''
    this.#data = this.#id = this.#retry = undefined
  }

  #size(lineLength: number): number {
    const data = (this.#data?.length ?? 0) + this.#moreData.length
    return lineLength + data + this.#type.length + (this.#id?.length ?? 0)
  }

  #limit(lineLength: number): void {
    if (this.#size(lineLength) > this.#maxEventSize) {
      throw new SseError(
        'too-large',
        `Expected an event of at most ${this.#maxEventSize} characters, got more. Raise maxEventSize if the server is right`,
      )
    }
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

/** The index after the name of `data`, `id` or `event`; `start` itself for any other line. */
function nameEnd(bytes: Uint8Array, start: number): number {
  const first = bytes[start]
  if (first === D) {
    const is = bytes[start + 1] === 97 && bytes[start + 2] === 116 && bytes[start + 3] === 97
    return is ? start + 4 : start
  }
  if (first === I) return bytes[start + 1] === D ? start + 2 : start
  const is =
    first === E &&
    bytes[start + 1] === 118 &&
    bytes[start + 2] === E &&
    bytes[start + 3] === 110 &&
    bytes[start + 4] === 116
  return is ? start + 5 : start
}

/**
 * Text that grows part by part. V8 keeps a sum of strings as a tree of its parts, 32 bytes a node:
 * 512 MiB for 16 MiB of `data` lines without a value, or of a line that comes letter by letter.
 * Cutting flattens the tree: 18 MiB, and twice as fast there.
 */
class Text {
  length = 0
  #flat = ''
  #tree = ''
  #parts = 0

  add(part: string): void {
    this.length += part.length
    this.#tree += part
    if (++this.#parts < MOST_PARTS) return
    const tree = this.#tree
    this.#flat += tree.slice(0, -1)
    this.#tree = tree.slice(-1)
    this.#parts = 0
  }

  /** All of it; it starts afresh. */
  take(): string {
    const text = this.#flat + this.#tree
    this.#flat = this.#tree = ''
    this.#parts = this.length = 0
    return text
  }
}

// The parser strips the one BOM that the spec allows; U+FEFF inside data must stay.
const newDecoder = (): TextDecoder => new TextDecoder('utf-8', { ignoreBOM: true })

const NAMES: Record<number, string> = { [D]: 'data', [E]: 'event', [I]: 'id', [R]: 'retry' }

// Made at the first use: nothing but definitions runs when a module is imported.
let shared: TextDecoder | undefined
function utf8(): TextDecoder {
  shared ??= newDecoder()
  return shared
}
