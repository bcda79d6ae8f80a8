import { parseJson } from 'tidings'
import { useEventSource, useEvents } from 'tidings/vue'

export function setup() {
  const { data, status, close } = useEventSource('/feed', ['price'])
  const { events, retryAt } = useEvents<number>('/feed', { decode: parseJson })
  return [data.value, status.value, close, events.value.map((event) => event.data), retryAt.value]
}
