import type { useEventSource as useVueUse } from '@vueuse/core'
import * as v from 'valibot'
import { assertType, expectTypeOf, test } from 'vitest'
import { type ComputedRef, computed, reactive, ref, type ShallowRef, shallowRef } from 'vue'
import { z } from 'zod'
import { useEventSource, useEvents } from '../../src/bindings/vue'
import type { EventSource, EventStreamStatus, SseError, SseErrorEvent } from '../../src/index'
import type { EventsOf, ServerSentEvent } from '../../src/parser/event'
import { parseJson } from '../../src/parts/parse-json'
import { validated } from '../../src/parts/validated'
import type { Attempt } from '../../src/transport/request'

type Prices =
  | ServerSentEvent<'price', { price: number }>
  | ServerSentEvent<'chat', { text: string }>

const decode = validated({
  price: z.object({ price: z.number() }),
  chat: v.object({ text: v.string() }),
})

test('without options data is text', () => {
  const stream = useEvents('/feed')
  expectTypeOf(stream.events).toEqualTypeOf<ComputedRef<ServerSentEvent[]>>()
  expectTypeOf(stream.event).toEqualTypeOf<ComputedRef<ServerSentEvent | undefined>>()
  expectTypeOf(stream.data).toEqualTypeOf<ComputedRef<string | undefined>>()
  expectTypeOf(stream.status).toEqualTypeOf<ComputedRef<EventStreamStatus>>()
  expectTypeOf(stream.error).toEqualTypeOf<ComputedRef<SseError | Error | undefined>>()
  expectTypeOf(stream.lastEventId).toEqualTypeOf<ComputedRef<string>>()
  expectTypeOf(stream.open).toEqualTypeOf<() => void>()
  expectTypeOf(stream.close).toEqualTypeOf<() => void>()
  expectTypeOf(stream.retryAt).toEqualTypeOf<ComputedRef<number | undefined>>()
  expectTypeOf(stream.failures).toEqualTypeOf<ComputedRef<number>>()
  expectTypeOf(stream.reconnect).toEqualTypeOf<() => void>()
  expectTypeOf(stream.fail).toEqualTypeOf<(reason: unknown) => void>()
})

test('validated() with a map of schemas makes a union to narrow by type, given as a value or by a getter', () => {
  const { event, events } = useEvents('/feed', { decode, limit: 5, immediate: false })
  expectTypeOf(events.value).toEqualTypeOf<Prices[]>()
  if (event.value?.type === 'price') {
    expectTypeOf(event.value.data).toEqualTypeOf<{ price: number }>()
  }
  expectTypeOf(useEvents('/feed', () => ({ decode })).events.value).toEqualTypeOf<Prices[]>()
  expectTypeOf(useEvents('/feed', ref({ decode })).events.value).toEqualTypeOf<Prices[]>()
})

test('decode types the data', () => {
  const { data } = useEvents('/feed', { decode: Number })
  expectTypeOf(data.value).toEqualTypeOf<number | undefined>()
  expectTypeOf(useEvents('/feed', () => ({ decode: Number })).data.value).toEqualTypeOf<
    number | undefined
  >()
})

test('a type argument types the data, or the events, of parseJson', () => {
  type Price = { price: number }
  const { data, event } = useEvents<Price>('/feed', { decode: parseJson })
  expectTypeOf(data.value).toEqualTypeOf<Price | undefined>()
  expectTypeOf(event.value).toEqualTypeOf<ServerSentEvent<string, Price> | undefined>()
  type Feed = EventsOf<{ price: Price; chat: { text: string } }>
  const feed = useEvents<Feed>('/feed', () => ({ decode: parseJson }))
  expectTypeOf(feed.events.value).toEqualTypeOf<Prices[]>()
  // @ts-expect-error: something has to make the data
  useEvents<Price>('/feed', { limit: 5 })
})

test('what looks at the events knows them', () => {
  useEvents('/feed', {
    decode,
    onEvent: (event) => expectTypeOf(event).toEqualTypeOf<Prices>(),
    until: (event) => event.type === 'chat' && event.data.text === 'bye',
  })
  useEvents('/feed', { onEvent: (event) => expectTypeOf(event).toEqualTypeOf<ServerSentEvent>() })
  useEvents('/feed', () => ({
    decode,
    onEvent: (event) => expectTypeOf(event).toEqualTypeOf<Prices>(),
  }))
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
  expectTypeOf(plain.events.value).toEqualTypeOf<string>()
  const typed = useEvents('/feed', {
    decode,
    initial: 0,
    reduce(sum, event) {
      expectTypeOf(event).toEqualTypeOf<Prices>()
      return event.type === 'price' ? sum + event.data.price : sum
    },
  })
  expectTypeOf(typed.events.value).toEqualTypeOf<number>()
  // @ts-expect-error: a reducer needs its first state
  useEvents('/feed', { reduce: (text: string, { data }: ServerSentEvent) => text + data })
})

test('the input is a value, a ref, or a getter; a function of the attempt comes from one', () => {
  const room = ref('a')
  useEvents(room)
  useEvents(shallowRef<string | null>(null))
  useEvents(computed(() => new URL(`http://localhost/${room.value}`)))
  useEvents(() => room.value && `/feed/${room.value}`)
  useEvents(() => (room.value === 'a' ? '/feed' : undefined))
  useEvents(
    () =>
      ({ lastEventId }) =>
        `/feed?from=${lastEventId}`,
  )
  useEvents(null)
  // @ts-expect-error: a getter gets no attempt
  useEvents((attempt: Attempt) => `/feed?from=${attempt.lastEventId}`)
  // @ts-expect-error: a number is no URL
  useEvents(1)
})

test('options may be reactive', () => {
  useEvents('/feed', reactive({ json: { prompt: 'hi' }, limit: 5 }))
  useEvents(
    '/feed',
    computed(() => ({ method: 'POST', headers: { a: '1' } })),
  )
  // @ts-expect-error: not an option
  useEvents('/feed', { limits: 5 })
})

test('useEventSource goes wherever VueUse’s does', () => {
  assertType<typeof useVueUse>(useEventSource)
  const drop: typeof useVueUse = useEventSource
  const { event, status } = drop('/feed', ['price', 'chat'] as ['price', 'chat'], {
    autoReconnect: { retries: 3, delay: 100, onFailed() {} },
    immediate: false,
    autoConnect: false,
    withCredentials: true,
  })
  expectTypeOf(event.value).toEqualTypeOf<'price' | 'chat' | null>()
  expectTypeOf(status.value).toEqualTypeOf<'CONNECTING' | 'OPEN' | 'CLOSED'>()
})

test('useEventSource types its data by the serializer', () => {
  const source = useEventSource(() => '/feed', ['price'], {
    headers: { a: '1' },
    serializer: { read: (text) => Number(text) },
  })
  expectTypeOf(source.data).toEqualTypeOf<ShallowRef<number | null>>()
  expectTypeOf(source.eventSource).toEqualTypeOf<ShallowRef<EventSource | null>>()
  expectTypeOf(source.lastEventId).toEqualTypeOf<ShallowRef<string | null>>()
  expectTypeOf(source.error).toEqualTypeOf<ShallowRef<SseErrorEvent | null>>()
  // biome-ignore lint/suspicious/noExplicitAny: VueUse's own default
  expectTypeOf(useEventSource('/feed').data).toEqualTypeOf<ShallowRef<any>>()
})
