import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type EventSchema, type EventsOptions, events, type InvalidEvent } from '../src/index'
import { stream } from './support/response'

const WIRE = [
  'id: 1\nevent: price\ndata: {"symbol":"ACME","price":1}\n\n',
  'id: 2\nevent: chat\ndata: {"text":"hello"}\n\n',
  'id: 3\nevent: noise\ndata: not even JSON\n\n',
  'id: 4\nevent: price\ndata: {"symbol":"ACME","price":"2"}\n\n',
  'id: 5\nevent: price\ndata: {"symbol":"ACME","price":3}\n\n',
]

const libraries: [string, EventSchema][] = [
  [
    'zod',
    {
      price: z.object({ symbol: z.string(), price: z.number() }),
      chat: z.object({ text: z.string().transform((text) => text.toUpperCase()) }),
    },
  ],
  [
    'valibot',
    {
      price: v.object({ symbol: v.string(), price: v.number() }),
      chat: v.object({ text: v.pipe(v.string(), v.toUpperCase()) }),
    },
  ],
]

async function play(wire: string[], options: EventsOptions) {
  const source = events('http://x/', { fetch: async () => stream(wire), retry: false, ...options })
  const story: unknown[] = []
  try {
    for await (const { type, data } of source) story.push([type, data])
  } catch (error) {
    return { source, story, error: error as Error & { cause: InvalidEvent } }
  }
  return { source, story }
}

describe.each(libraries)('a map of %s schemas', (_, schema) => {
  test('gives validated data, and leaves types out that are not in it', async () => {
    const { story } = await play([...WIRE.slice(0, 3), WIRE[4] as string], { schema })
    expect(story).toEqual([
      ['price', { symbol: 'ACME', price: 1 }],
      ['chat', { text: 'HELLO' }],
      ['price', { symbol: 'ACME', price: 3 }],
    ])
  })

  test.each([
    ['in one chunk', [WIRE.join('')]],
    ['one a chunk', WIRE],
  ])('ends at data that does not fit, after the events before it (%s)', async (_, wire) => {
    const { source, story, error } = await play(wire, { schema })
    expect(story).toEqual([
      ['price', { symbol: 'ACME', price: 1 }],
      ['chat', { text: 'HELLO' }],
    ])
    expect(error).toMatchObject({ code: 'data', retriable: false, attempt: 1 })
    expect(error?.message).toContain('in event 4, of type "price"')
    expect(error?.cause).toMatchObject({
      issues: [{ path: expect.anything() }],
      event: { type: 'price', data: '{"symbol":"ACME","price":"2"}', lastEventId: '4' },
      position: 4,
    })
    expect(source.lastEventId).not.toBe('4')
  })

  test('skips it where it is told to, and goes on', async () => {
    const { source, story } = await play(WIRE, { schema, onInvalid: 'skip' })
    expect(story).toHaveLength(3)
    expect(source.lastEventId).toBe('5')
  })
})

test('one schema holds for events of every type', async () => {
  const schema = z.object({ n: z.number() })
  const wire = ['data: {"n":1}\n\n', 'event: other\ndata: {"n":2}\n\n']
  const { story } = await play(wire, { schema })
  expect(story).toEqual([
    ['message', { n: 1 }],
    ['other', { n: 2 }],
  ])
})

test('data that is not JSON is invalid, and is not quoted in the message', async () => {
  const { error } = await play(['data: geheim\n\n'], { schema: z.string() })
  expect(error).toMatchObject({ code: 'data', cause: { issues: [{ message: 'not JSON' }] } })
  expect(error?.message).not.toContain('geheim')
})

test('a type named like a member of every object is not in the map', async () => {
  const wire = ['event: constructor\ndata: 1\n\n', 'event: toString\ndata: 1\n\n']
  expect((await play(wire, { schema: {} })).story).toEqual([])
})

test('async schemas are waited for, in order', async () => {
  const schema = z.number().refine((n) => Promise.resolve(n < 3))
  const wire = ['data: 1\n\ndata: 2\n\n', 'data: 3\n\n']
  const { story, error } = await play(wire, { schema })
  expect(story).toEqual([
    ['message', 1],
    ['message', 2],
  ])
  expect(error).toMatchObject({ code: 'data', cause: { position: 3 } })
})

test('close() does not wait for a schema that never answers', async () => {
  const never: EventSchema = {
    '~standard': { version: 1, vendor: 'test', validate: () => new Promise(() => {}) },
  }
  let validating: () => void
  const begun = new Promise<void>((resolve) => {
    validating = resolve
  })
  const schema = {
    '~standard': {
      ...never['~standard'],
      validate: (value: unknown) => {
        validating()
        return never['~standard'].validate(value)
      },
    },
  } as EventSchema
  const source = events('http://x/', {
    fetch: async () => stream(['data: 1\n\n'], 'stall'),
    schema,
  })
  const next = source[Symbol.asyncIterator]().next()
  await begun
  source.close()
  expect(await next).toEqual({ done: true, value: undefined })
})

test('until is asked before the schema, on the text', async () => {
  const wire = ['data: 1\n\n', 'data: [DONE]\n\n', 'data: 2\n\n']
  const { story, error } = await play(wire, { schema: z.number(), until: '[DONE]' })
  expect([story, error]).toEqual([[['message', 1]], undefined])
})

test.each<[string, object, string]>([
  [
    'a schema with decode',
    { schema: z.string(), decode: JSON.parse },
    'Expected decode or schema, got both',
  ],
  ['no schema', { schema: 7 }, 'Expected schema to be a function or object, got number'],
  [
    'a map of something else',
    { schema: { price: {} } },
    'Expected schema to be a Standard Schema or a map of them, got another value',
  ],
  [
    'another onInvalid',
    { schema: z.string(), onInvalid: 'log' },
    "Expected onInvalid to be 'throw' or 'skip', got log",
  ],
])('%s is refused before any request', (_, options, message) => {
  expect(() => events('http://x/', options)).toThrow(new TypeError(message))
})
