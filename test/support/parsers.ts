import { createParser } from 'eventsource-parser'
import { EventStreamParser, type ServerSentEvent } from '../../src/parser'
import type { Outcome } from '../corpus'

/** Reads chunks with our parser. */
export function ours(chunks: readonly (Uint8Array | string)[]): Outcome {
  const parser = new EventStreamParser()
  const events: ServerSentEvent[] = []
  for (const chunk of chunks) parser.push(chunk, events)
  return { events, lastEventId: parser.lastEventId, reconnectionTime: parser.reconnectionTime }
}

/** Reads chunks of text with eventsource-parser 4, whose `onId` comes right before its event. */
export function theirs(chunks: readonly string[]): Outcome {
  const events: ServerSentEvent[] = []
  let lastEventId = ''
  let reconnectionTime: number | undefined
  const parser = createParser({
    onEvent: ({ event, data }) => events.push({ type: event || 'message', data, lastEventId }),
    onId: (id) => {
      lastEventId = id
    },
    onRetry: (time) => {
      reconnectionTime = time
    },
  })
  for (const chunk of chunks) parser.feed(chunk)
  return { events, lastEventId, reconnectionTime }
}
