import { expect, test } from 'vitest'
import { type Asked, model, refuse, quick as retry, stopAtEveryMoment, text } from './model'
import { respond } from './samples/openai-responses'

const response = { id: 'resp_1', status: 'in_progress' }
const story: [type: string, more: object][] = [
  ['response.created', { response }],
  ['response.in_progress', { response }],
  ['response.output_item.added', { output_index: 0, item: { type: 'message' } }],
  ['response.output_text.delta', { delta: 'Hel' }],
  ['response.output_text.delta', { delta: 'lo' }],
  ['response.output_text.done', { text: 'Hello' }],
  ['response.completed', { response: { ...response, status: 'completed' } }],
]
const numbered = (all: typeof story) =>
  all.map(
    ([type, more], sequence_number) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number, ...more })}\n\n`,
  )
const hello = numbered(story)
const before = hello.slice(0, -1)

/** Goes on after the number that the query names. */
const rest = ({ line }: Asked) => ({
  chunks: hello.slice(Number(/starting_after=(\d+)/.exec(line)?.[1]) + 1),
})

test('the answer ends with response.completed', async () => {
  const { url, asked } = await model({ chunks: hello })
  expect(await text(respond(url, { input: 'Hi' }))).toBe('Hello')
  expect(asked).toMatchObject([{ body: { input: 'Hi', background: true, stream: true } }])
})

test.each(['end', 'cut'] as const)(
  'a connection that is lost (%s) after any event goes on by a GET, with one POST',
  async (after) => {
    for (let count = 1; count < hello.length; count++) {
      const { url, lines } = await model({ chunks: hello.slice(0, count), after }, rest)
      expect(await text(respond(url, {}, { retry }))).toBe('Hello')
      expect(lines).toEqual(['POST /', `GET /resp_1?stream=true&starting_after=${count - 1}`])
    }
  },
)

test('a connection that is lost again and again goes on each time', async () => {
  const one = (asked: Asked) => {
    const chunks = rest(asked).chunks.slice(0, 1)
    return { chunks, after: 'cut' as const }
  }
  const { url, lines } = await model(
    ...[{ chunks: hello.slice(0, 1), after: 'cut' as const }],
    one,
    one,
    one,
    one,
    one,
    one,
  )
  expect(await text(respond(url, {}, { retry: { delay: 1, maxDelay: 1 } }))).toBe('Hello')
  expect(lines.filter((line) => line.startsWith('POST'))).toHaveLength(1)
})

test('a connection that is lost before the first event is an error: there is no ID to ask for', async () => {
  const { url, lines } = await model({ after: 'cut' })
  await expect(text(respond(url, {}, { retry }))).rejects.toMatchObject({ code: 'network' })
  expect(lines).toEqual(['POST /'])
})

test.each([
  ['error', { code: 'server_error', message: 'Overloaded' }],
  ['response.failed', { response: { ...response, error: { message: 'Overloaded' } } }],
  [
    'response.incomplete',
    { response: { ...response, incomplete_details: { reason: 'Overloaded' } } },
  ],
])('an answer that ends with %s is thrown, and asked for once', async (type, more) => {
  const { url, lines } = await model({ chunks: numbered([...story.slice(0, 4), [type, more]]) })
  await expect(text(respond(url, {}, { retry }))).rejects.toThrow('Overloaded')
  expect(lines).toEqual(['POST /'])
})

test.each([429, 529])('a %i is waited for, before the first token and after it', async (status) => {
  const busy = refuse(status, 'slow down')
  const cut = { chunks: hello.slice(0, 4), after: 'cut' as const }
  const { url, lines } = await model(busy, busy, cut, busy, busy, busy, rest)
  expect(await text(respond(url, {}, { retry: { delay: 1, maxDelay: 1 } }))).toBe('Hello')
  expect(lines.filter((line) => line.startsWith('POST'))).toHaveLength(3)
  const always = await model(busy, busy, busy)
  await expect(text(respond(always.url, {}, { retry }))).rejects.toMatchObject({ status })
  expect(always.lines).toHaveLength(3)
})

test('Stop at every moment', async () => {
  await stopAtEveryMoment(before, (url, signal) => text(respond(url, {}, { signal, retry })))
})
