import * as v from 'valibot'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { useEvents } from '../../src/bindings/react'
import type { EventStreamStatus, SseError } from '../../src/index'
import type { ServerSentEvent } from '../../src/parser/event'

type Prices =
  | ServerSentEvent<'price', { price: number }>
  | ServerSentEvent<'chat', { text: string }>

const schema = { price: z.object({ price: z.number() }), chat: v.object({ text: v.string() }) }

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
  expectTypeOf(stream.reconnect).toEqualTypeOf<() => void>()
})

test('a map of schemas makes a union to narrow by type', () => {
  const { event, events } = useEvents('/feed', { schema, limit: 5, immediate: false })
  expectTypeOf(events).toEqualTypeOf<Prices[]>()
  if (event?.type === 'price') expectTypeOf(event.data).toEqualTypeOf<{ price: number }>()
  else if (event) expectTypeOf(event.data).toEqualTypeOf<{ text: string }>()
})

test('one schema types the data of every event', () => {
  const { data } = useEvents('/feed', { schema: z.object({ n: z.number() }) })
  expectTypeOf(data).toEqualTypeOf<{ n: number } | undefined>()
})

test('decode types the data', () => {
  expectTypeOf(useEvents('/feed', { decode: Number }).data).toEqualTypeOf<number | undefined>()
  const { events } = useEvents('/feed', { decode: (text): { n: number } => JSON.parse(text) })
  expectTypeOf(events).toEqualTypeOf<ServerSentEvent<string, { n: number }>[]>()
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
    schema,
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
  useEvents(new Request('http://localhost'))
  useEvents(async ({ lastEventId }) => `/feed?from=${lastEventId}`)
  // @ts-expect-error: no input at all is a slip
  useEvents()
  // @ts-expect-error: a number is no URL
  useEvents(1)
})

test('every option of events() passes through', () => {
  useEvents('/feed', {
    json: { prompt: 'hi' },
    headers: ({ error }) => ({ authorization: `${error?.status}` }),
    retry: { maxRetries: 3 },
    until: '[DONE]',
    dedupe: 10,
    idleTimeout: 1000,
    credentials: 'include',
    onReconnect: ({ delay }) => expectTypeOf(delay).toEqualTypeOf<number>(),
  })
  // @ts-expect-error: not an option
  useEvents('/feed', { limits: 5 })
})
