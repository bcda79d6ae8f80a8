import * as v from 'valibot'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type EventStream, events, type ServerSentEvent } from '../src/index'

test('one schema types the data of every event', () => {
  const source = events('/', { schema: z.object({ n: z.number() }) })
  expectTypeOf(source).toEqualTypeOf<EventStream<ServerSentEvent<string, { n: number }>>>()
})

test('a map of schemas makes a union to narrow by type', async () => {
  const source = events('/', {
    schema: { price: z.object({ price: z.number() }), chat: v.object({ text: v.string() }) },
  })
  for await (const event of source) {
    expectTypeOf(event.type).toEqualTypeOf<'price' | 'chat'>()
    if (event.type === 'price') expectTypeOf(event.data).toEqualTypeOf<{ price: number }>()
    else expectTypeOf(event.data).toEqualTypeOf<{ text: string }>()
  }
})

test('decode types the data; without either it is text', () => {
  expectTypeOf(events('/', { decode: Number })).toEqualTypeOf<
    EventStream<ServerSentEvent<string, number>>
  >()
  expectTypeOf(events('/')).toEqualTypeOf<EventStream<ServerSentEvent<string, string>>>()
})
