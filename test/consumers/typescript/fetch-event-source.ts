import { EventStreamContentType, fetchEventSource } from 'tidings/fetch-event-source'

export const done: Promise<void> = fetchEventSource('/feed', {
  method: 'POST',
  headers: { accept: EventStreamContentType },
  async onopen(response) {
    if (!response.ok) throw new Error(`${response.status}`)
  },
  onmessage: ({ id, event, data, retry }) => [id, event, data, retry?.toFixed(0)],
  onerror: () => 1000,
})
