import { expect, test } from 'vitest'
import { type Asked, model, refuse, quick as retry, stopAtEveryMoment, text } from './model'
import { run } from './samples/langgraph'

const named = (type: string, data: unknown, id: number) =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
const token = (content: unknown, id: number) =>
  named('messages', [{ type: 'AIMessageChunk', content }, { langgraph_node: 'model' }], id)

const hello = [
  named('metadata', { run_id: 'r1', attempt: 1 }, 0),
  token('', 1),
  token('Hel', 2),
  token([], 3), // A tool call has no text.
  token('lo', 4),
]
const headers = { location: '/threads/t1/runs/r1/stream' }

/** Goes on after the ID that the request names. */
const join = ({ headers }: Asked) => ({ chunks: hello.slice(Number(headers['last-event-id']) + 1) })

test('the answer is complete when the stream ends', async () => {
  const { url, asked } = await model({ headers, chunks: hello })
  expect(await text(run(url, { assistant_id: 'agent' }))).toBe('Hello')
  expect(asked).toMatchObject([
    { body: { assistant_id: 'agent', stream_resumable: true, on_disconnect: 'continue' } },
  ])
})

test('a connection that is cut after any event is joined again by a GET, with one POST', async () => {
  for (let count = 1; count <= hello.length; count++) {
    const { url, lines } = await model(
      { headers, chunks: hello.slice(0, count), after: 'cut' },
      join,
    )
    expect(await text(run(url, {}, { retry }))).toBe('Hello')
    expect(lines).toEqual(['POST /', 'GET /threads/t1/runs/r1/stream'])
  }
})

test('without a Location header a cut is an error, and asked for once', async () => {
  const { url, lines } = await model({ chunks: hello.slice(0, 3), after: 'cut' })
  await expect(text(run(url, {}, { retry }))).rejects.toMatchObject({ code: 'network' })
  expect(lines).toEqual(['POST /'])
})

test('an error of the run is thrown, and asked for once', async () => {
  const failed = named('error', { error: 'RateLimitError', message: 'Overloaded' }, 3)
  const { url, lines } = await model({ headers, chunks: [...hello.slice(0, 3), failed] })
  await expect(text(run(url, {}, { retry }))).rejects.toThrow('Overloaded')
  expect(lines).toEqual(['POST /'])
})

test.each([429, 529])('a %i is waited for, before the first token and after it', async (status) => {
  const busy = refuse(status, 'slow down')
  const cut = { headers, chunks: hello.slice(0, 3), after: 'cut' as const }
  const { url, lines } = await model(busy, busy, cut, busy, busy, busy, join)
  expect(await text(run(url, {}, { retry: { delay: 1, maxDelay: 1 } }))).toBe('Hello')
  expect(lines.filter((line) => line.startsWith('POST'))).toHaveLength(3)
  const always = await model(busy, busy, busy)
  await expect(text(run(always.url, {}, { retry }))).rejects.toMatchObject({ status })
  expect(always.lines).toHaveLength(3)
})

test('Stop at every moment', async () => {
  await stopAtEveryMoment(hello, (url, signal) => text(run(url, {}, { signal, retry })))
})
