import { createParser } from 'eventsource-parser'
import type { ServerSentEvent } from '../../src/parser/event'
import {
  type EventStreamChunk,
  EventStreamParser,
  type EventStreamParserOptions,
} from '../../src/parser/parser'
import type { Outcome } from '../corpus'
import type { Ending, Told } from '../fuzz/reference'

/** A whole stream read: all that can be observed of it, a failure included. */
export interface Reading extends Outcome {
  readonly error: unknown
}

/**
 * Reads a stream to its end, or to its first failure.
 *
 * @param ask - whether events are asked for after each chunk, or only when all have been fed
 */
export function read(
  chunks: readonly EventStreamChunk[],
  options?: EventStreamParserOptions,
  ask: 'each' | 'last' = 'each',
): Reading {
  const parser = new EventStreamParser(options)
  const events: ServerSentEvent[] = []
  const drain = () => {
    for (let event = parser.next(); event; event = parser.next()) events.push(event)
  }
  let error: unknown
  try {
    for (const chunk of chunks) {
      parser.feed(chunk)
      if (ask === 'each') drain()
    }
    parser.end()
    drain()
  } catch (thrown) {
    error = thrown
  }
  const { lastEventId, reconnectionTime } = parser
  return { events, lastEventId, reconnectionTime, error }
}

/** Reads chunks with our parser. */
export function ours(chunks: readonly EventStreamChunk[]): Outcome {
  const { error, ...outcome } = read(chunks)
  if (error) throw error
  return outcome
}

/**
 * Reads chunks with our parser, and hears everything.
 *
 * @param throwing - whether each callback throws, which must lose nothing
 */
export function tell(
  chunks: readonly EventStreamChunk[],
  { max, deliver = false }: { max?: number; deliver?: boolean } = {},
  ask: 'each' | 'last' = 'each',
  throwing = false,
): Outcome & Ending & { told: Told[]; buffered: number } {
  const told: Told[] = []
  const hear = (part: Told) => {
    told.push(part)
    if (throwing) throw told
  }
  const parser = new EventStreamParser({
    maxEventSize: max,
    incomplete: deliver ? 'deliver' : undefined,
    onComment: (text) => hear(['comment', text]),
    onRetry: (milliseconds) => hear(['retry', milliseconds]),
    onIgnored: (line) => hear(['ignored', line]),
  })
  const events: ServerSentEvent[] = []
  const drain = () => {
    for (;;) {
      try {
        const event = parser.next()
        if (event === undefined) return
        events.push(event)
        told.push(['event', event, parser._id])
      } catch (thrown) {
        if ((thrown as { code?: string }).code === 'too-large') told.push(['too-large'])
        else if (thrown !== told) throw thrown
      }
    }
  }
  for (const chunk of chunks) {
    parser.feed(chunk)
    if (ask === 'each') drain()
  }
  parser.end()
  drain()
  const { lastEventId, reconnectionTime, _unfinished, _lineEnded, buffered } = parser
  const ending = { unfinished: _unfinished, lineEnded: _lineEnded }
  return { events, lastEventId, reconnectionTime, ...ending, told, buffered }
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
