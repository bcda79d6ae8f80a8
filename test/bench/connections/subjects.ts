import { EventSource as EventSource5 } from 'eventsource'
import { EventSource } from '../../../src/faces/event-source'
import { events } from '../../../src/faces/events'

/** Opens a stream, which says when an event has come; returns what closes it. */
export type Open = (url: string, told: () => void) => () => void

const ended = () => {}

export const subjects = {
  'for await': (url, told) => {
    const stream = events(url)
    const listen = async () => {
      for await (const _ of stream) told()
    }
    listen().catch(ended)
    return () => stream.close()
  },
  'batches()': (url, told) => {
    const stream = events(url)
    const listen = async () => {
      for await (const _ of stream.batches()) told()
    }
    listen().catch(ended)
    return () => stream.close()
  },
  EventSource: (url, told) => {
    const source = new EventSource(url)
    source.onmessage = told
    return () => source.close()
  },
  eventsource: (url, told) => {
    const source = new EventSource5(url)
    source.onmessage = told
    return () => source.close()
  },
  /** What any client does at least that can be stopped. */
  'reader floor': (url, told) => {
    const controller = new AbortController()
    const listen = async () => {
      const { body } = await fetch(url, { signal: controller.signal })
      const reader = (body as ReadableStream<Uint8Array>).getReader()
      while (!(await reader.read()).done) told()
    }
    listen().catch(ended)
    return () => controller.abort()
  },
} satisfies Record<string, Open>

export type SubjectName = keyof typeof subjects
