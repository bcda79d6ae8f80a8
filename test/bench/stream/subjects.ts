import { createSseStream } from '@azure/core-sse'
import { fetchEventSource as original } from '@microsoft/fetch-event-source'
import { EventSource as EventSource5 } from 'eventsource'
import { createEventSource } from 'eventsource-client'
import { parseServerSentEvents } from 'parse-sse'
import { EventSource as UndiciEventSource } from 'undici'
import { body, faces, heard, type Subject } from './faces'

/** The original's page, as far as it looks. */
function pretendPage(): void {
  const document = Object.assign(new EventTarget(), { hidden: false })
  Object.assign(globalThis, { document, window: globalThis })
}

export const subjects = {
  ...faces,
  '@microsoft/fetch-event-source': {
    async read(url, _, see) {
      if (!('document' in globalThis)) pretendPage()
      let seen = 0
      await original(url, {
        openWhenHidden: true,
        onmessage({ data, id }) {
          see?.(data, id)
          seen++
        },
      })
      return seen
    },
  },
  eventsource: { read: heard((url) => new EventSource5(url)) },
  undici: { read: heard((url) => new UndiciEventSource(url) as never) },
  'eventsource-client': {
    async read(url, count, see) {
      let seen = 0
      const source = createEventSource({ url, onScheduleReconnect: () => source.close() })
      for await (const { data, id } of source) {
        see?.(data, id)
        if (++seen === count) source.close()
      }
      return seen
    },
  },
  'parse-sse': {
    async read(url, _, see) {
      let seen = 0
      for await (const { data, lastEventId } of parseServerSentEvents(await fetch(url))) {
        see?.(data, lastEventId)
        seen++
      }
      return seen
    },
  },
  '@azure/core-sse': {
    async read(url, _, see) {
      let seen = 0
      for await (const { data, id } of createSseStream(await body(url))) {
        see?.(data, id)
        seen++
      }
      return seen
    },
  },
} satisfies Record<string, Subject>

export type SubjectName = keyof typeof subjects
