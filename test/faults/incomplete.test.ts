import { beforeEach, describe, expect, test } from 'vitest'
import type { SseError } from '../../src/errors'
import { type EventsOptions, events } from '../../src/faces/events'
import { follow } from '../support/fetch'
import { type Answer, fin, serveAnswers, sized, stream } from './answers'
import { hurry } from './hurry'

beforeEach(() => hurry(100))

/** How a body may end whose end nothing tells from a cut. */
const framings: Record<string, (text: string) => Answer> = {
  'under HTTP/1.0': (text) => (socket) => {
    socket.end(`HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n${text}`)
  },
  'delimited by its connection': (text) => fin(stream(text)),
  // HAProxy with HTTP/2 in front ends a cut stream as complete.
  'declared complete by a proxy': (text) => sized(text),
}

const asked = { json: { prompt: 'why?' } }

async function outcome(answer: Answer, options: EventsOptions) {
  const server = await serveAnswers([answer])
  const shown: string[] = []
  let error: SseError | undefined
  const source = events(server.url, options)
  const watched = {
    async *[Symbol.asyncIterator]() {
      try {
        yield* source
      } catch (thrown) {
        error = thrown as SseError
        throw thrown
      }
    },
  }
  await follow(watched, shown)
  return { shown, error, id: source.lastEventId }
}

describe.each(Object.entries(framings))('a body %s', (_, framed) => {
  const traces: [what: string, rest: string, body: string | undefined][] = [
    ['within a line', 'id: 2\ndata: ha', 'id: 2\ndata: ha'],
    ['before the blank line', 'id: 2\ndata: half\n', 'id: 2\ndata: half\n'],
    ['within a field name', 'da', 'da'],
    ['within the character of a line', 'data: \ufffd', 'data: \ufffd'],
    [
      'in the time-out text of a platform',
      '\nupstream request timeout',
      'upstream request timeout',
    ],
    ['in a JSON error', '{"error":{"code":"overloaded"}}', '{"error":{"code":"overloaded"}}'],
    ['in a JSON error of two lines', '{\n"error":1\n}\n', '{\n"error":1\n}\n'],
    ['in a block whose lines are no fields', 'oops: 1\nmore\n', 'oops: 1\nmore\n'],
  ]
  test.each(traces)('that ends %s is truncated, with what stands there', async (_, rest, body) => {
    const whole = 'id: 1\ndata: a\n\n'
    const { shown, error, id } = await outcome(framed(whole + rest), asked)
    expect(shown).toEqual(['message:a', 'throws:truncated'])
    expect([error?.body?.trim(), error?.response?.status, error?.status]).toEqual([
      body?.trim(),
      200,
      undefined,
    ])
    expect(id).toBe('1')
  })

  test('that is one JSON error is truncated', async () => {
    const problem = '{"error":{"message":"quota"}}'
    const { shown, error } = await outcome(framed(problem), asked)
    expect(shown).toEqual(['throws:truncated'])
    expect(JSON.parse(error?.body ?? '')).toEqual(JSON.parse(problem))
  })

  test.each([
    ['after an event', ''],
    ['in blank lines', '\n\n\n'],
    ['in a comment', ': still he'],
    ['after a comment', ': still here\n'],
    ['after a block that is none', 'oops\n\n'],
  ])('that ends %s is complete', async (_, rest) => {
    const { shown } = await outcome(framed(`data: a\n\n${rest}`), asked)
    expect(shown).toEqual(['message:a', 'done'])
  })

  test('has no more than 4 KiB of that in its error', async () => {
    const { error } = await outcome(framed(`data: a\n\n${'x'.repeat(10_000)}`), asked)
    expect(error?.body).toBe('x'.repeat(4096))
  })

  test('gives its last event where that is asked for, with the ID before it', async () => {
    const options = { ...asked, incomplete: 'deliver' } as const
    const { shown, id } = await outcome(framed('id: 1\ndata: a\n\nid: 2\ndata: b'), options)
    expect([shown, id]).toEqual([['message:a', 'message:b', 'done'], '1'])
    // A text that is no event is still none.
    const text = await outcome(framed('data: a\n\nupstream timeout'), options)
    expect(text.shown).toEqual(['message:a', 'throws:truncated'])
  })

  const ends: [string, string, EventsOptions, string[]][] = [
    ['a text', 'data: a\n\ndata: [DONE]', { until: '[DONE]' }, ['message:a', 'done']],
    ['a text with its line end', 'data: [DONE]\n', { until: '[DONE]' }, ['done']],
    ['half a text', 'data: a\n\ndata: [DO', { until: '[DONE]' }, ['message:a', 'throws:truncated']],
    [
      'a type, with the end of its last line',
      'event: done\ndata: 1\n',
      { until: { type: 'done' } },
      ['done:1', 'done'],
    ],
    [
      'a type, where its last line may be cut',
      'event: done\ndata: 1',
      { until: { type: 'done' } },
      ['throws:truncated'],
    ],
    [
      'a function',
      'data: 1\n\ndata: 2\n',
      { until: ({ data }) => data === '2' },
      ['message:1', 'message:2', 'done'],
    ],
    [
      'a function, where its last line may be cut',
      'data: 1\n\ndata: 2',
      { until: ({ data }) => data === '2' },
      ['message:1', 'throws:truncated'],
    ],
    [
      'a function, but cannot be decoded',
      'data: {"a":1}\n\ndata: {"a"\n',
      { decode: (data) => JSON.parse(data).a, until: ({ data }) => data === '2' } as EventsOptions,
      ['message:1', 'throws:truncated'],
    ],
  ]
  test.each(ends)('whose terminal event is not finished: %s', async (_, wire, options, told) => {
    const { shown } = await outcome(framed(wire), { ...asked, ...options })
    expect(shown).toEqual(told)
  })

  test('of a feed is asked for again, and the text reaches who watches', async () => {
    const server = await serveAnswers([framed('id: 1\ndata: a\n\nupstream request timeout')])
    const bodies: (string | undefined)[] = []
    const shown: string[] = []
    const onReconnect = ({ error }: { error: SseError | undefined }) => bodies.push(error?.body)
    await follow(events(server.url, { onReconnect }), shown)
    expect(shown).toEqual(['message:a', 'done'])
    expect(bodies).toEqual(['upstream request timeout'])
    expect(server.requests).toEqual(['GET', 'GET 1'])
  })
})
