import { inspect } from 'node:util'
import * as v from 'valibot'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { type EventStream, events } from '../../src/faces/events'
import { type InvalidEvent, type StandardSchema, validated } from '../../src/parts/validated'
import type { StreamOptions } from '../../src/session/plan'
import { stream } from '../support/response'

const WIRE = [
  'id: 1\nevent: price\ndata: {"symbol":"ACME","price":1}\n\n',
  'id: 2\nevent: chat\ndata: {"text":"hello"}\n\n',
  'id: 3\nevent: noise\ndata: not even JSON\n\n',
  'id: 4\nevent: price\ndata: {"symbol":"ACME","price":"2"}\n\n',
  'id: 5\nevent: price\ndata: {"symbol":"ACME","price":3}\n\n',
]

const libraries: [string, Record<string, StandardSchema>][] = [
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

// biome-ignore lint/suspicious/noExplicitAny: whatever the schema makes
type Options = StreamOptions<any> & { decode: object }

async function play(wire: string[], options: Options) {
  const source = events('http://x/', {
    fetch: async () => stream(wire),
    onEnd: 'complete',
    ...options,
  } as object) as EventStream
  const story: unknown[] = []
  let error: (Error & { cause: InvalidEvent }) | undefined
  try {
    for await (const { type, data } of source) story.push([type, data])
  } catch (thrown) {
    error = thrown as typeof error
  }
  return { source, story, error }
}

describe.each(libraries)('a map of %s schemas', (_, schemas) => {
  test('gives validated data, and leaves types out that are not in it', async () => {
    const wire = [...WIRE.slice(0, 3), WIRE[4] as string]
    const { source, story } = await play(wire, { decode: validated(schemas) })
    expect(story).toEqual([
      ['price', { symbol: 'ACME', price: 1 }],
      ['chat', { text: 'HELLO' }],
      ['price', { symbol: 'ACME', price: 3 }],
    ])
    expect(source.lastEventId).toBe('5')
  })

  test.each([
    ['in one chunk', [WIRE.join('')]],
    ['one a chunk', WIRE],
  ])('ends at data that does not fit, after the events before it (%s)', async (_, wire) => {
    const { source, story, error } = await play(wire, { decode: validated(schemas) })
    expect(story).toEqual([
      ['price', { symbol: 'ACME', price: 1 }],
      ['chat', { text: 'HELLO' }],
    ])
    const event = { type: 'price', data: '{"symbol":"ACME","price":"2"}', lastEventId: '4' }
    expect(error).toMatchObject({ code: 'data', retriable: false, attempt: 1, event })
    expect(error?.cause).toMatchObject({ issues: [{ path: expect.anything() }], event })
    expect(inspect(error)).not.toContain('ACME')
    // A new iteration goes on after it.
    expect(source.lastEventId).toBe('4')
  })

  test('skips it where it is told to, and goes on', async () => {
    const { source, story } = await play(WIRE, {
      decode: validated(schemas, { onInvalid: 'skip' }),
    })
    expect(story).toHaveLength(3)
    expect(source.lastEventId).toBe('5')
  })
})

test('one schema holds for events of every type', async () => {
  const wire = ['data: {"n":1}\n\n', 'event: other\ndata: {"n":2}\n\n']
  const { story } = await play(wire, { decode: validated(z.object({ n: z.number() })) })
  expect(story).toEqual([
    ['message', { n: 1 }],
    ['other', { n: 2 }],
  ])
})

test('events without data are left out: heartbeats are invalid to no schema', async () => {
  const wire = ['data:\n\n', 'event: ping\ndata: \n\n', 'data: 1\n\n']
  expect((await play(wire, { decode: validated(z.number()) })).story).toEqual([['message', 1]])
  expect((await play(wire, { decode: validated({ ping: z.any() }) })).story).toEqual([])
})

test('data that is not JSON is invalid, and is not quoted', async () => {
  const { error } = await play(['data: geheim\n\n'], { decode: validated(z.string()) })
  expect(error).toMatchObject({ code: 'data', cause: { issues: [{ message: 'not JSON' }] } })
  expect(error?.message).not.toContain('geheim')
  const skipping = validated(z.string(), { onInvalid: 'skip' })
  expect((await play(['data: geheim\n\n'], { decode: skipping })).error).toBe(undefined)
})

test('a type named like a member of every object is not in the map', async () => {
  const wire = ['event: constructor\ndata: 1\n\n', 'event: toString\ndata: 1\n\n']
  expect((await play(wire, { decode: validated({}) })).story).toEqual([])
})

test('a schema that makes undefined leaves the event out', async () => {
  const decode = validated(z.number().transform((n) => (n > 1 ? n : undefined)))
  expect((await play(['data: 1\n\n', 'data: 2\n\n'], { decode })).story).toEqual([['message', 2]])
})

test('a schema that throws is an error of code data, whatever onInvalid says', async () => {
  const cause = new Error('in the schema')
  const schema: StandardSchema<number> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: () => {
        throw cause
      },
    },
  }
  const { error } = await play(['data: 1\n\n'], {
    decode: validated(schema, { onInvalid: 'skip' }),
  })
  expect(error).toMatchObject({ code: 'data', cause })
})

describe('an async schema', () => {
  const schema = z.number().refine((n) => Promise.resolve(n < 3))

  test('is waited for, in order', async () => {
    const wire = ['data: 1\n\ndata: 2\n\n', 'data: 3\n\n']
    const { story, error } = await play(wire, { decode: validated(schema) })
    expect(story).toEqual([
      ['message', 1],
      ['message', 2],
    ])
    expect(error).toMatchObject({ code: 'data', event: { data: '3' } })
  })

  test('skips what does not fit', async () => {
    const wire = ['data: 3\n\ndata: 2\n\n']
    const decode = validated(schema, { onInvalid: 'skip' })
    expect((await play(wire, { decode })).story).toEqual([['message', 2]])
  })

  test('holds no event before it up, and is not called after close()', async () => {
    const asked: unknown[] = []
    const slow: StandardSchema<number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => {
          asked.push(value)
          return value === 1 ? { value } : new Promise(() => {})
        },
      },
    } as StandardSchema<number>
    const source = events('http://x/', {
      fetch: async () => stream(['data: 1\n\ndata: 2\n\ndata: 3\n\n'], 'stall'),
      decode: validated(slow),
    })
    const iterator = source.batches()
    expect((await iterator.next()).value?.map(({ data }) => data)).toEqual([1])
    const next = iterator.next()
    await vi.waitFor(() => expect(asked).toEqual([1, 2]))
    source.close()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(asked).toEqual([1, 2])
  })
})

describe('until beside it', () => {
  test('a text is compared before the schema sees it', async () => {
    const wire = ['data: 1\n\n', 'data: [DONE]\n\n', 'data: 2\n\n']
    const options = { decode: validated(z.number()), until: '[DONE]' }
    const { story, error } = await play(wire, options)
    expect([story, error]).toEqual([[['message', 1]], undefined])
  })

  test('a type that the map leaves out ends the stream as well', async () => {
    const wire = ['event: n\ndata: 1\n\n', 'event: done\ndata: {}\n\n', 'event: n\ndata: 2\n\n']
    const options = { decode: validated({ n: z.number() }), until: { type: 'done' } }
    const { story, error } = await play(wire, options)
    expect([story, error]).toEqual([[['n', 1]], undefined])
  })
})

test.each<[string, () => unknown, string]>([
  ['no schema', () => validated(7 as never), 'Expected validated() to get a Standard Schema'],
  ['nothing', () => validated(undefined as never), 'Expected validated() to get a Standard Schema'],
  [
    'a map of something else',
    () => validated({ price: {} } as never),
    'Expected validated() to get a Standard Schema',
  ],
  [
    'another onInvalid',
    () => validated(z.string(), { onInvalid: 'log' as never }),
    "Expected onInvalid to be 'throw' or 'skip'",
  ],
])('%s is refused at once', (_, make, message) => {
  expect(make).toThrow(TypeError)
  expect(make).toThrow(message)
})
