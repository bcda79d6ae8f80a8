import type { ServerSentEvent } from './parser'

/** Bytes: servers and proxies refuse headers over 8 or 16 KiB, all of them together. */
const LONGEST_ID = 4096

/**
 * Where a consumer is in its stream: what outlives a connection, and a session.
 *
 * It moves with what has been delivered, not with what has been read, so that a stop in the middle
 * of a batch resumes after the last event the consumer saw.
 */
export class Place {
  lastEventId: string
  /** Milliseconds, as the server last asked with `retry`; `undefined` until it does. */
  asked: number | undefined
  /** The IDs of the last events delivered, oldest first. */
  readonly #recent: Set<string> | undefined
  readonly #window: number
  readonly #fallback: number

  /** @param fallback - milliseconds: the reconnection time until the server asks for another */
  constructor(lastEventId = '', fallback = 1000, window = 0) {
    this.lastEventId = lastEventId
    this.#fallback = fallback
    this.#window = window
    if (window > 0) this.#recent = new Set()
  }

  get reconnectionTime(): number {
    return this.asked ?? this.#fallback
  }

  /** The IDs that a resumed connection drops; events of one connection never rule each other out. */
  get delivered(): ReadonlySet<string> | undefined {
    return this.#recent && new Set(this.#recent)
  }

  deliver({ lastEventId }: ServerSentEvent<string, unknown>): void {
    this.lastEventId = lastEventId
    if (!this.#recent || lastEventId === '') return
    this.#recent.delete(lastEventId)
    this.#recent.add(lastEventId)
    if (this.#recent.size > this.#window) {
      for (const oldest of this.#recent) {
        this.#recent.delete(oldest)
        break
      }
    }
  }
}

/**
 * The ID as `Last-Event-ID` carries it, its UTF-8 bytes as `fetch` wants header values; `''` for one
 * that HTTP cannot carry: a reconnect without it beats none.
 */
export function resumeHeader(lastEventId: string): string {
  let value = ''
  for (const byte of new TextEncoder().encode(lastEventId)) value += String.fromCharCode(byte)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to keep out
  return value.length > LONGEST_ID || /[\0-\x08\x0a-\x1f\x7f]|^\s*$/.test(value) ? '' : value
}
