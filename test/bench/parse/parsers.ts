import { createSseStream } from '@azure/core-sse'
import { getLines, getMessages } from '@microsoft/fetch-event-source/lib/cjs/parse'
import { createParser } from 'eventsource-parser'
import { parseServerSentEvents } from 'parse-sse'
import { EventStreamParser } from '../../../src/parser/parser'

/** Takes one event. Strings and no object: the parsers' shapes must not meet in here. */
export type Take = (type: string, data: string, id: string) => void

/** Reads a whole stream, with a parser made for it. Free of Node: Chromium runs the same ones. */
export interface Parser {
  /** Its package, `'Tidings'`, or what a floor does. */
  name: string
  read(chunks: readonly Uint8Array[], take: Take): void | Promise<void>
  /** Takes a stream only, so it is fed by a ReadableStream that holds the chunks. */
  streams?: true
  /** A line in many chunks costs it the square of the line's length. */
  quadratic?: true
}

/** @param chunks - become a body, one per pull */
export function body(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  let next = 0
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks[next++]
      if (chunk === undefined) controller.close()
      else controller.enqueue(chunk as Uint8Array<ArrayBuffer>)
    },
  })
}

export const tidings: Parser = {
  name: 'Tidings',
  read(chunks, take) {
    const parser = new EventStreamParser()
    for (const chunk of chunks) {
      parser.feed(chunk)
      for (let event = parser.next(); event !== undefined; event = parser.next()) {
        take(event.type, event.data, event.lastEventId)
      }
    }
  },
}

export const eventsourceParser: Parser = {
  name: 'eventsource-parser',
  read(chunks, take) {
    const decoder = new TextDecoder()
    const parser = createParser({
      onEvent: ({ event, data, id }) => take(event ?? 'message', data, id ?? ''),
    })
    for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }))
  },
}

export const fetchEventSource: Parser = {
  name: '@microsoft/fetch-event-source',
  read(chunks, take) {
    const read = getLines(
      getMessages(
        () => {},
        () => {},
        ({ event, data, id }) => take(event || 'message', data, id),
      ),
    )
    for (const chunk of chunks) read(chunk)
  },
  quadratic: true,
}

const parseSse: Parser = {
  name: 'parse-sse',
  async read(chunks, take) {
    const events = parseServerSentEvents(new Response(body(chunks))).getReader()
    for (let read = await events.read(); !read.done; read = await events.read()) {
      take(read.value.type, read.value.data, read.value.lastEventId)
    }
  },
  streams: true,
  quadratic: true,
}

const coreSse: Parser = {
  name: '@azure/core-sse',
  async read(chunks, take) {
    const events = createSseStream(body(chunks)).getReader()
    for (let read = await events.read(); !read.done; read = await events.read()) {
      take(read.value.event || 'message', read.value.data, read.value.id)
    }
  },
  streams: true,
  quadratic: true,
}

/** The peers that a browser can run, too. */
export const peers: readonly Parser[] = [eventsourceParser, fetchEventSource, parseSse, coreSse]

/** What nothing that reads text can do without. They find no events. */
export const floors: readonly Parser[] = [
  {
    name: 'decode',
    read(chunks, take) {
      const decoder = new TextDecoder()
      for (const chunk of chunks) take('', decoder.decode(chunk, { stream: true }), '')
    },
  },
  {
    name: 'decode and one indexOf per line',
    read(chunks, take) {
      const decoder = new TextDecoder()
      for (const chunk of chunks) {
        const text = decoder.decode(chunk, { stream: true })
        for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) take('', '', '')
      }
    },
  },
]

export const parsers: readonly Parser[] = [tidings, ...peers]
