/** In bytes, frame included. */
export type EventSize = 40 | 200

/** Both sizes fill whole chunks of 64 KiB with it: five, and twenty-five. */
export const EVENTS_PER_BLOCK = 8192
const CHUNK = 65536
const ID_EVERY = 64

interface Event {
  data: string
  /** As the block has it: absent on most. */
  id?: string
}

function* events(size: EventSize): Generator<Event & { frame: string }> {
  for (let n = 0; n < EVENTS_PER_BLOCK; n++) {
    const id = n % ID_EVERY === 0 ? `${n}`.padStart(6, '0') : undefined
    const head = id === undefined ? 'data: ' : `id: ${id}\ndata: `
    const length = size - head.length - 2
    const data = `${n} the quick brown fox jumps over the lazy dog `.repeat(8).slice(0, length)
    yield { data, id, frame: `${head}${data}\n\n` }
  }
}

/** The block of events that every stream repeats, each event by itself. */
export function frames(size: EventSize): Buffer[] {
  return Array.from(events(size), ({ frame }) => Buffer.from(frame))
}

/** The block in chunks of 64 KiB. */
export function chunks(size: EventSize): Buffer[] {
  const block = Buffer.concat(frames(size))
  return Array.from({ length: block.length / CHUNK }, (_, n) =>
    block.subarray(n * CHUNK, (n + 1) * CHUNK),
  )
}

/** What a reader has seen: how many events, and a checksum over their data and last event IDs. */
export class Sum {
  count = 0
  #hash = 0x811c9dc5
  lastEventId = ''

  /** `id` may be the stream's last event ID, or the event's own, which most do not have. */
  add(data: string, id: string | undefined): void {
    this.count++
    if (id) this.lastEventId = id
    this.#mix(data)
    this.#mix(this.lastEventId)
  }

  toString(): string {
    return `${this.count} events, checksum ${(this.#hash >>> 0).toString(16)}`
  }

  #mix(text: string): void {
    for (let at = 0; at < text.length; at++) {
      this.#hash = Math.imul(this.#hash ^ text.charCodeAt(at), 0x01000193)
    }
    this.#hash = Math.imul(this.#hash ^ 0x100, 0x01000193)
  }
}

/** What a reader of the whole stream must have seen. */
export function expected(size: EventSize, blocks: number): Sum {
  const sum = new Sum()
  for (let n = 0; n < blocks; n++) for (const { data, id } of events(size)) sum.add(data, id)
  return sum
}
