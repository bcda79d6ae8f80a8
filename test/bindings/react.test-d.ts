import * as v from 'valibot'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type UseEventsOptions, useEvents } from '../../src/bindings/react'
import type { EventStreamStatus, SseError } from '../../src/index'
import type { EventsOf, ServerSentEvent } from '../../src/parser/event'
import { dedupe } from '../../src/parts/dedupe'
import { parseJson } from '../../src/parts/parse-json'
import { validated } from '../../src/parts/validated'
import { whenVisible } from '../../src/parts/when-visible'

type Prices =
  | ServerSentEvent<'price', { price: number }>
  | ServerSentEvent<'chat', { text: string }>

const decode = validated({
  price: z.object({ price: z.number() }),
  chat: v.object({ text: v.string() }),
})

test('without options data is text', () => {
  const stream = useEvents('/feed')
  expectTypeOf(stream.events).toEqualTypeOf<ServerSentEvent[]>()
  expectTypeOf(stream.event).toEqualTypeOf<ServerSentEvent | undefined>()
  expectTypeOf(stream.data).toEqualTypeOf<string | undefined>()
  expectTypeOf(stream.status).toEqualTypeOf<EventStreamStatus>()
  expectTypeOf(stream.error).toEqualTypeOf<SseError | Error | undefined>()
  expectTypeOf(stream.lastEventId).toEqualTypeOf<string>()
  expectTypeOf(stream.open).toEqualTypeOf<() => void>()
  expectTypeOf(stream.close).toEqualTypeOf<() => void>()
  expectTypeOf(stream.retryAt).toEqualTypeOf<number | undefined>()
  expectTypeOf(stream.failures).toEqualTypeOf<number>()
  expectTypeOf(stream.reconnect).toEqualTypeOf<() => void>()
  expectTypeOf(stream.fail).toEqualTypeOf<(reason: unknown) => void>()
})

test('validated() with a map of schemas makes a union to narrow by type', () => {
  const { event, events } = useEvents('/feed', { decode, limit: 5, immediate: false })
  expectTypeOf(events).toEqualTypeOf<Prices[]>()
  if (event?.type === 'price') expectTypeOf(event.data).toEqualTypeOf<{ price: number }>()
  else if (event) expectTypeOf(event.data).toEqualTypeOf<{ text: string }>()
})

test('validated() with one schema types the data of every event', () => {
  const { data } = useEvents('/feed', { decode: validated(z.object({ n: z.number() })) })
  expectTypeOf(data).toEqualTypeOf<{ n: number } | undefined>()
})

test('decode types the data', () => {
  expectTypeOf(useEvents('/feed', { decode: Number }).data).toEqualTypeOf<number | undefined>()
  const { events } = useEvents('/feed', { decode: (text): { n: number } => JSON.parse(text) })
  expectTypeOf(events).toEqualTypeOf<ServerSentEvent<string, { n: number }>[]>()
})

test('a type argument types the data, or the events, of parseJson', () => {
  type Price = { price: number }
  const { data, event } = useEvents<Price>('/feed', { decode: parseJson })
  expectTypeOf(data).toEqualTypeOf<Price | undefined>()
  expectTypeOf(event).toEqualTypeOf<ServerSentEvent<string, Price> | undefined>()
  type Feed = EventsOf<{ price: Price; chat: { text: string } }>
  expectTypeOf(useEvents<Feed>('/feed', { decode: parseJson }).events).toEqualTypeOf<Prices[]>()
  // biome-ignore lint/suspicious/noExplicitAny: as JSON.parse
  expectTypeOf(useEvents('/feed', { decode: parseJson }).data).toEqualTypeOf<any>()
  const { events } = useEvents<Feed, number>('/feed', {
    decode: parseJson,
    initial: 0,
    reduce: (sum, event) => (event.type === 'price' ? sum + event.data.price : sum),
  })
  expectTypeOf(events).toEqualTypeOf<number>()
  // @ts-expect-error: something has to make the data
  useEvents<Price>('/feed')
  // @ts-expect-error: something has to make the data
  useEvents<Price>('/feed', { limit: 5 })
})

test('what looks at the events knows them', () => {
  useEvents('/feed', {
    decode,
    onEvent: (event) => expectTypeOf(event).toEqualTypeOf<Prices>(),
    until: (event) => event.type === 'chat' && event.data.text === 'bye',
    cursor: (event) => (event.type === 'price' ? event.data.price : undefined),
  })
  useEvents('/feed', { onEvent: (event) => expectTypeOf(event).toEqualTypeOf<ServerSentEvent>() })
  useEvents('/feed', {
    decode: Number,
    onEvent: ({ data }) => expectTypeOf(data).toEqualTypeOf<number>(),
  })
})

test('a component’s own hook may take the options', () => {
  const useFeed = (options: UseEventsOptions) => useEvents('/feed', options)
  expectTypeOf(useFeed({ limit: 5 }).data).toEqualTypeOf<string | undefined>()
  const useNumbers = (options: UseEventsOptions<number>) => useEvents('/feed', options)
  expectTypeOf(useNumbers({ decode: Number }).data).toEqualTypeOf<number | undefined>()
})

test('a reducer knows its state and the events', () => {
  const plain = useEvents('/feed', {
    initial: '',
    reduce(text, event) {
      expectTypeOf(text).toEqualTypeOf<string>()
      expectTypeOf(event).toEqualTypeOf<ServerSentEvent>()
      return text + event.data
    },
  })
  expectTypeOf(plain.events).toEqualTypeOf<string>()
  const typed = useEvents('/feed', {
    decode,
    initial: { total: 0 },
    reduce(state, event) {
      expectTypeOf(event).toEqualTypeOf<Prices>()
      return event.type === 'price' ? { total: state.total + event.data.price } : state
    },
  })
  expectTypeOf(typed.events).toEqualTypeOf<{ total: number }>()
  const decoded = useEvents('/feed', {
    decode: Number,
    initial: new Map<string, number>(),
    reduce: (map, { type, data }) => new Map(map).set(type, data),
  })
  expectTypeOf(decoded.events).toEqualTypeOf<Map<string, number>>()
  // @ts-expect-error: a reducer needs its first state
  useEvents('/feed', { reduce: (text: string, { data }: ServerSentEvent) => text + data })
})

test('the input may be off, and whatever events() takes', () => {
  useEvents(null)
  useEvents(undefined)
  const session = undefined as { id: string } | undefined
  useEvents(session !== undefined && `/feed/${session.id}`)
  useEvents(new URL('http://localhost'))
  useEvents(async ({ lastEventId }) => `/feed?from=${lastEventId}`)
  // @ts-expect-error: no input at all is a slip
  useEvents()
  // @ts-expect-error: fromRequest() takes it apart
  useEvents(new Request('http://localhost'))
  // @ts-expect-error: a number is no URL
  useEvents(1)
})

test('every option of events() passes through', () => {
  useEvents('/feed', {
    json: { prompt: 'hi' },
    headers: ({ error }) => ({ authorization: `${error?.status}` }),
    retry: { maxRetries: 3 },
    until: '[DONE]',
    skip: dedupe(10),
    resume: 'same',
    gate: whenVisible(),
    idleTimeout: 1000,
    credentials: 'include',
    onReconnect: ({ delay }) => expectTypeOf(delay).toEqualTypeOf<number>(),
  })
  // @ts-expect-error: not an option
  useEvents('/feed', { limits: 5 })
})
