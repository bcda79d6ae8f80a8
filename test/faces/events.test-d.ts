import { assertType, expectTypeOf, test } from 'vitest'
import {
  type Attempt,
  type Decode,
  type EventStream,
  type EventStreamIterator,
  type EventsOf,
  type EventsOptions,
  events,
  type Gate,
  parseJson,
  type Resume,
  type RetryPolicy,
  type ServerSentEvent,
  type Skip,
  type SseError,
} from '../../src'

interface Price {
  amount: number
}
type Text = EventStream<ServerSentEvent>
type Of<Data> = EventStream<ServerSentEvent<string, Data>>
type Feed = EventsOf<{ price: Price; chat: string }>

test('without decode the data is text', () => {
  expectTypeOf(events('/x')).toEqualTypeOf<Text>()
  expectTypeOf(events('/x', {})).toEqualTypeOf<Text>()
  expectTypeOf(events('/x', { decode: undefined })).toEqualTypeOf<Text>()
  expectTypeOf(
    events('/x', {
      until: (event) => event.data.startsWith('x'),
      cursor: (event) => event.lastEventId,
      skip: (_event, id, stream) => id === undefined || stream.attempt > 1,
      gate: ({ release }) => release(),
      headers: { a: null, b: undefined, c: '1' },
    }),
  ).toEqualTypeOf<Text>()
})

test('decode says what the data is; undefined leaves an event out, and is no data', () => {
  expectTypeOf(events('/x', { decode: Number })).toEqualTypeOf<Of<number>>()
  expectTypeOf(
    events('/x', {
      decode: (data) => (data ? Number(data) : undefined),
      until: (event) => event.data > 3,
    }),
  ).toEqualTypeOf<Of<number>>()
  expectTypeOf(
    events('/x', {
      decode: async (data) => ({ n: data.length }),
      until: (event) => event.data.n > 3,
      cursor: (event) => String(event.data.n),
    }),
  ).toEqualTypeOf<Of<{ n: number }>>()
  // biome-ignore lint/suspicious/noExplicitAny: what JSON is
  expectTypeOf(events('/x', { decode: parseJson })).toEqualTypeOf<Of<any>>()
  // biome-ignore lint/suspicious/noExplicitAny: what JSON is
  expectTypeOf(events('/x', { decode: JSON.parse })).toEqualTypeOf<Of<any>>()
  expectTypeOf(
    events('/x', { decode: (data, { type, lastEventId }) => [type, data, lastEventId] }),
  ).toEqualTypeOf<Of<string[]>>()
})

test('a type argument is the type of the data, and needs a decode', () => {
  expectTypeOf(events<number>('/x', { decode: Number })).toEqualTypeOf<Of<number>>()
  expectTypeOf(
    events<Price>('/x', { decode: parseJson, until: (event) => event.data.amount > 1 }),
  ).toEqualTypeOf<Of<Price>>()
  expectTypeOf(events<Price | number>('/x', { decode: parseJson })).toEqualTypeOf<
    Of<Price | number>
  >()
  // @ts-expect-error: nothing makes a number of the text
  events<number>('/x')
  // @ts-expect-error: nor here
  events<number>('/x', { until: 'x' })
  // @ts-expect-error: a decode that makes something else
  events<number>('/x', { decode: (data) => data })
})

test('a type argument that is a union of events narrows by type', async () => {
  const feed = events<Feed>('/x', {
    decode: parseJson,
    until: (event) => event.type === 'chat' && event.data === 'bye',
    cursor: (event) => event.lastEventId,
  })
  expectTypeOf(feed).toEqualTypeOf<EventStream<Feed>>()
  for await (const event of feed) {
    expectTypeOf(event.type).toEqualTypeOf<'price' | 'chat'>()
    if (event.type === 'price') expectTypeOf(event.data).toEqualTypeOf<Price>()
    else expectTypeOf(event.data).toEqualTypeOf<string>()
  }
})

test('the members of a stream', async () => {
  const stream = events('/x', { decode: Number })
  type Event = ServerSentEvent<string, number>
  expectTypeOf(stream[Symbol.asyncIterator]()).toEqualTypeOf<EventStreamIterator<Event>>()
  expectTypeOf(stream.batches()).toEqualTypeOf<EventStreamIterator<Event[]>>()
  for await (const event of stream[Symbol.asyncIterator]()) {
    expectTypeOf(event).toEqualTypeOf<Event>()
  }
  for await (const batch of stream.batches()) expectTypeOf(batch).toEqualTypeOf<Event[]>()
  expectTypeOf(stream.status).toEqualTypeOf<'idle' | 'connecting' | 'open' | 'waiting' | 'closed'>()
  expectTypeOf(stream.retryAt).toEqualTypeOf<number | undefined>()
  expectTypeOf([stream.failures, stream.attempt, stream.reconnectionTime]).toEqualTypeOf<number[]>()
  expectTypeOf(stream.cursor).toEqualTypeOf<string>()
  stream.cursor = 5
  stream.cursor = 'five'
  expectTypeOf(stream.lastEventId).toEqualTypeOf<string>()
  // @ts-expect-error: the cursor can be set
  stream.lastEventId = '5'
  expectTypeOf(stream.response).toEqualTypeOf<Response | undefined>()
  stream.fail('whatever')
  stream.fail(new Error())
  expectTypeOf(stream.reconnect).toEqualTypeOf<() => void>()
  const button = { onclick: (_: (event: Event) => void) => {} }
  button.onclick(stream.reconnect)
  await using held = stream
  assertType<AsyncDisposable>(held)
})

test('what is called knows its arguments', () => {
  events(
    async (attempt) => {
      expectTypeOf(attempt).toEqualTypeOf<Attempt>()
      expectTypeOf(attempt.error).toEqualTypeOf<SseError | undefined>()
      expectTypeOf(attempt.first).toEqualTypeOf<Response | undefined>()
      return new URL(`https://example.com/${attempt.cursor}`)
    },
    {
      headers: (attempt) => ({ n: String(attempt.number), none: null }),
      json: (attempt: Attempt) => ({ after: attempt.cursor }),
      accept: (response) => response.status === 200,
      onOpen: (response) => expectTypeOf(response).toEqualTypeOf<Response>(),
      onReconnect: ({ error, delay, failures, attempt }) => {
        expectTypeOf(error).toEqualTypeOf<SseError | undefined>()
        expectTypeOf([delay, failures, attempt]).toEqualTypeOf<number[]>()
      },
      onComment: (text) => expectTypeOf(text).toEqualTypeOf<string>(),
      idleTimeout: (response) => (response.headers.has('x') ? 5 : undefined),
      resume: ({ first, cursor }) => `${first.url}?after=${cursor}`,
      retry: ({ error, delay }) => (error?.status === 410 ? 0 : delay),
    },
  )
  assertType<Resume[]>([
    'same',
    () => null,
    () => undefined,
    async () => ({ input: '/x', json: { a: 1 }, headers: { a: '1' } }),
  ])
  assertType<RetryPolicy[]>([() => false, async () => 5])
  assertType<Gate[]>([() => {}, async () => {}])
  assertType<Skip>((event, id) => event.type === 'x' || id === '')
  // @ts-expect-error: a policy says when
  assertType<RetryPolicy>(() => true)
  // @ts-expect-error: no such word
  events('/x', { resume: 'again' })
  // @ts-expect-error: no such word
  events('/x', { incomplete: 'keep' })
  // @ts-expect-error: no URL
  events(5)
})

test('headers come in every shape that fetch takes, or as a Map', () => {
  for (const headers of [
    { a: '1' },
    [['a', '1']] as [string, string][],
    [['a', '1']],
    new Headers(),
    new Map([['a', '1']]),
    new Map([['a', '1']]).entries(),
    async () => new Headers(),
  ]) {
    events('/x', { headers })
  }
})

test('options in a variable and in a helper', () => {
  const options: EventsOptions = { until: '[DONE]', signal: undefined, retry: undefined }
  expectTypeOf(events('/x', options)).toEqualTypeOf<Text>()
  const wrap = <T>(url: string, own: EventsOptions<T> & { decode: Decode<T> }) =>
    events<T>(url, own)
  expectTypeOf(wrap<Price>('/x', { decode: parseJson })).toEqualTypeOf<Of<Price>>()
  // What fetch knows goes through to it.
  events('/x', { credentials: 'include', mode: 'cors', cache: 'no-store', signal: null })
})

test('every option may be undefined', () => {
  const options: Required<EventsOptions> = {} as Required<EventsOptions>
  type Undefinable = {
    [Name in keyof EventsOptions]-?: undefined extends EventsOptions[Name] ? never : Name
  }[keyof EventsOptions]
  expectTypeOf<Undefinable>().toEqualTypeOf<never>()
  expectTypeOf(options).not.toBeNever()
})
