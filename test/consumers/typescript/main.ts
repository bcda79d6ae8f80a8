import {
  dedupe,
  EventSource,
  type EventStream,
  type EventsOf,
  type EventsOptions,
  events,
  fromRequest,
  observable,
  parseJson,
  SseError,
  validated,
  whenVisible,
} from 'tidings'

interface Price {
  amount: number
}
type PriceOrChat = EventsOf<{ price: Price; chat: string }>

export async function read(show: (text: string) => void) {
  const options: EventsOptions = { until: '[DONE]', signal: undefined, headers: { a: undefined } }
  const stream: EventStream = events('/feed', options)
  try {
    for await (const { data } of stream) show(data)
    for await (const { data } of events('/n', { decode: Number })) show(data.toFixed(2))
    for await (const event of events<PriceOrChat>('/feed', { decode: parseJson })) {
      if (event.type === 'price') show(event.data.amount.toFixed(2))
      else show(event.data)
    }
    for await (const batch of stream.batches()) for (const { data } of batch) show(data)
  } catch (error) {
    if (!(error instanceof SseError)) throw error
    show(`${error.code} ${error.status?.toFixed(0)} ${error.response?.headers.get('date')}`)
  } finally {
    await stream[Symbol.asyncDispose]()
  }
}

export function listen(show: (text: string) => void): EventSource {
  const source = new EventSource('/feed', { headers: { a: 'b' }, retry: { maxRetries: 3 } })
  source.onmessage = (event) => show(event.data)
  source.addEventListener('message', (event) => show(event.data + event.lastEventId))
  source.addEventListener('price', (event) => show(event.data), { once: true })
  source.addEventListener('error', (event) => show(event.error?.message ?? event.type))
  source.addEventListener('open', (event) => show(`${event.response?.status}`))
  source.removeEventListener('price', { handleEvent: () => {} })
  source.close()
  return source
}

export class Feed extends EventSource {
  readonly opened = this.readyState === EventSource.OPEN
}

const number = {
  '~standard': {
    version: 1,
    vendor: 'none',
    validate: (value: unknown) => ({ value: value as number }),
    types: undefined as { readonly input: unknown; readonly output: number } | undefined,
  },
} as const

export const parts = [
  events('/feed', { decode: validated({ price: number }), until: ({ data }) => data > 3 }),
  events('/feed', { skip: dedupe(10), gate: whenVisible({ after: 1000 }) }),
  observable(() => events('/feed')),
  fromRequest,
]
