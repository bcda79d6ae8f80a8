import { EventSource } from '../../../src/faces/event-source'
import { events } from '../../../src/faces/events'
import { fetchEventSource } from '../../../src/faces/fetch-event-source'

/**
 * Sees each event, or chunk of bytes, of a round that is checked, or timed one by one; there is none
 * in the others.
 */
export type See = ((data: string | Uint8Array, id: string | undefined) => void) | undefined

/** Reads a stream of `count` events to its end, and returns how many events, or bytes, it saw. */
export type Read = (url: string, count: number, see: See) => Promise<number>

export interface Subject {
  read: Read
  /** What its output can be held against. Default: every event. */
  output?: 'bytes' | 'last event ID'
}

/** What is common to the classes, as far as it is used here. */
interface Source {
  onmessage: ((event: MessageEvent) => void) | null
  onerror: ((event: never) => void) | null
  close(): void
}

/** They would reconnect at the end of the stream, so they are closed at its last event. */
export function heard(open: (url: string) => Source): Read {
  return (url, count, see) =>
    new Promise((resolve) => {
      let seen = 0
      const source = open(url)
      const end = () => {
        source.close()
        resolve(seen)
      }
      source.onerror = end
      source.onmessage = (event) => {
        see?.(event.data, event.lastEventId)
        if (++seen === count) end()
      }
    })
}

/** The end is the first that such a client hears. */
function unheard(open: (url: string) => Source & Unheard): Read {
  return (url, count, see) =>
    new Promise((resolve) => {
      const source = open(url)
      source.addEventListener('other', () => resolve(Number.NaN))
      source.onerror = () => {
        see?.('', source.lastEventId)
        source.close()
        resolve(count)
      }
    })
}
interface Unheard {
  lastEventId: string
  addEventListener(type: string, listener: () => void): void
}

export async function body(url: string): Promise<ReadableStream<Uint8Array>> {
  const response = await fetch(url)
  return response.body as ReadableStream<Uint8Array>
}

/** Every face of ours, and the floors: what runs in Node and in a page. */
export const faces = {
  'batches()': {
    async read(url, _, see) {
      let seen = 0
      for await (const batch of events(url, { onEnd: 'complete' }).batches()) {
        if (see) for (const { data, lastEventId } of batch) see(data, lastEventId)
        seen += batch.length
      }
      return seen
    },
  },
  'for await': {
    async read(url, _, see) {
      let seen = 0
      for await (const { data, lastEventId } of events(url, { onEnd: 'complete' })) {
        see?.(data, lastEventId)
        seen++
      }
      return seen
    },
  },
  fetchEventSource: {
    async read(url, _, see) {
      let seen = 0
      await fetchEventSource(url, {
        openWhenHidden: true,
        onmessage({ data, id }) {
          see?.(data, id)
          seen++
        },
      })
      return seen
    },
  },
  EventSource: { read: heard((url) => new EventSource(url) as Source) },
  'EventSource, nobody listening': {
    output: 'last event ID',
    read: unheard((url) => new EventSource(url) as never),
  },

  'reader floor': {
    output: 'bytes',
    async read(url, _, see) {
      let seen = 0
      const reader = (await body(url)).getReader()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return seen
        see?.(value, undefined)
        seen += value.length
      }
    },
  },
  'decoding floor': {
    output: 'bytes',
    async read(url, _, see) {
      let seen = 0
      const reader = (await body(url)).getReader()
      const decoder = new TextDecoder()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return seen
        const text = decoder.decode(value, { stream: true })
        see?.(text, undefined)
        seen += text.length
      }
    },
  },
} satisfies Record<string, Subject>
