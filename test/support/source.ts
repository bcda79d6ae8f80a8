import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { EventSource, type EventSourceInit, type SseErrorEvent } from '../../src/faces/event-source'
import type { EventsInput } from '../../src/transport/request'

/** A source that ends with its test. */
export function open(url: EventsInput, init?: EventSourceInit | null): EventSource {
  const source = new EventSource(url, init)
  onTestFinished(() => source.close())
  return source
}

/** Writes down what a source fires: `'open:1'`, `'message:1:data'`, `'error:0'`. */
export function record(source: EventSource, types = ['open', 'message', 'error']): string[] {
  const story: string[] = []
  for (const type of types) {
    source.addEventListener(type, (event) => {
      const data = event instanceof MessageEvent ? `:${event.data}` : ''
      story.push(`${event.type}:${source.readyState}${data}`)
    })
  }
  return story
}

/** The next event of a type. */
export const message = (source: EventSource, type = 'message') =>
  once(source, type).then(([event]) => event as MessageEvent<string>)
/** The next `error` event. */
export const failure = (source: EventSource) =>
  once(source, 'error').then(([event]) => event as SseErrorEvent)
