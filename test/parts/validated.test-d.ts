import * as v from 'valibot'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { type EventStream, events, type ServerSentEvent, validated } from '../../src'

type Of<Data> = EventStream<ServerSentEvent<string, Data>>

test('one schema types the data of every event', () => {
  const decode = validated(z.object({ n: z.number() }))
  expectTypeOf(events('/', { decode })).toEqualTypeOf<Of<{ n: number }>>()
  expectTypeOf(
    events('/', {
      until: (event) => event.data.n > 1,
      decode: validated(v.object({ n: v.number() }), { onInvalid: 'skip' }),
    }),
  ).toEqualTypeOf<Of<{ n: number }>>()
})

test('it is what the schema makes, not what it takes', () => {
  const decode = validated(z.string().transform((text) => text.length))
  expectTypeOf(events('/', { decode })).toEqualTypeOf<Of<number>>()
})

test('a map of schemas makes a union to narrow by type, of several libraries', async () => {
  const source = events('/', {
    decode: validated({ price: z.object({ price: z.number() }), chat: v.string() }),
    until: (event) => event.type === 'chat' && event.data === 'bye',
    cursor: (event) => (event.type === 'price' ? event.data.price : undefined),
  })
  for await (const event of source) {
    expectTypeOf(event.type).toEqualTypeOf<'price' | 'chat'>()
    if (event.type === 'price') expectTypeOf(event.data).toEqualTypeOf<{ price: number }>()
    else expectTypeOf(event.data).toEqualTypeOf<string>()
  }
})

test('it goes with functions of the attempt and an until of a type', () => {
  events('/', {
    decode: validated({ chat: z.string() }),
    until: { type: 'done' },
    headers: (attempt) => ({ n: String(attempt.number) }),
  })
  // @ts-expect-error: no such word
  validated(z.string(), { onInvalid: 'log' })
  // @ts-expect-error: no schema
  validated(5)
})
