import { parseJson } from 'tidings'
import { useEvents } from 'tidings/react'

export function usePrices(url: string | null) {
  const { events, status, retryAt, fail } = useEvents<number>(url, { decode: parseJson })
  return [events.map((event) => event.data.toFixed(2)), status, retryAt, fail]
}
