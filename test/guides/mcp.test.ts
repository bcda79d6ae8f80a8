import { expect, test } from 'vitest'
import { type Answer, type Asked, model, refuse, quick as retry, stopAtEveryMoment } from './model'
import { ask } from './samples/mcp'

const request = { method: 'tools/call', params: { name: 'count' } }
const prime = 'id: s1_0\nretry: 1\ndata: \n\n'
const progress = (done: number) =>
  `id: s1_${done}\ndata: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progress: done } })}\n\n`
const idOf = ({ body }: Asked) => (body as { id: string }).id
const said = (id: string, more: object) => JSON.stringify({ jsonrpc: '2.0', id, ...more })
const result = (id: string) => `id: s1_9\ndata: ${said(id, { result: { count: 2 } })}\n\n`

test('the answer comes as an event stream, after what the server says before it', async () => {
  const { url, asked } = await model((asked) => ({
    chunks: [prime, progress(1), progress(2), result(idOf(asked))],
  }))
  const heard: unknown[] = []
  expect(await ask(url, request, {}, ({ params }) => heard.push(params))).toEqual({ count: 2 })
  expect(heard).toEqual([{ progress: 1 }, { progress: 2 }])
  expect(asked[0]?.headers.accept).toBe('application/json, text/event-stream')
  expect(asked[0]?.body).toMatchObject({ jsonrpc: '2.0', ...request })
})

test('the answer comes as plain JSON', async () => {
  const { url } = await model((asked) => ({
    headers: { 'content-type': 'application/json' },
    chunks: [said(idOf(asked), { result: { count: 2 } })],
  }))
  expect(await ask(url, request)).toEqual({ count: 2 })
})

test('a server that hangs up after its first event is asked for the answer by a GET', async () => {
  for (const after of ['end', 'cut'] as const) {
    let id = ''
    const { url, lines, asked } = await model(
      (asked) => {
        id = idOf(asked)
        return { chunks: [prime], after }
      },
      () => ({ chunks: [progress(1)], after }),
      () => ({ chunks: [result(id)] }),
    )
    expect(await ask(url, request, { retry: { delay: 1, maxDelay: 1 } })).toEqual({ count: 2 })
    expect(lines).toEqual(['POST /', 'GET /', 'GET /'])
    expect(asked.map(({ headers }) => headers['last-event-id'])).toEqual([
      undefined,
      's1_0',
      's1_1',
    ])
  }
})

test('a connection that is cut before the first ID is an error, and asked for once', async () => {
  const { url, lines } = await model({ after: 'cut' })
  await expect(ask(url, request, { retry })).rejects.toMatchObject({ code: 'network' })
  expect(lines).toEqual(['POST /'])
})

test('an answer that is an error is thrown', async () => {
  const failed = (asked: Asked): Answer => ({
    chunks: [
      `data: ${said(idOf(asked), { error: { code: -32602, message: 'No such tool' } })}\n\n`,
    ],
  })
  const { url } = await model(failed)
  await expect(ask(url, request)).rejects.toThrow('No such tool')
})

test.each([429, 529])('a %i is waited for, before the first event and after it', async (status) => {
  const busy = refuse(status, 'slow down')
  let id = ''
  const begin = (asked: Asked): Answer => {
    id = idOf(asked)
    return { chunks: [prime], after: 'cut' }
  }
  const { url, lines } = await model(busy, busy, begin, busy, busy, busy, () => ({
    chunks: [result(id)],
  }))
  expect(await ask(url, request, { retry: { delay: 1, maxDelay: 1 } })).toEqual({ count: 2 })
  expect(lines.filter((line) => line.startsWith('POST'))).toHaveLength(3)
  const always = await model(busy, busy, busy)
  await expect(ask(always.url, request, { retry })).rejects.toMatchObject({ status })
  expect(always.lines).toHaveLength(3)
})

test('Stop at every moment', async () => {
  await stopAtEveryMoment([prime, progress(1), progress(2)], (url, signal) =>
    ask(url, request, { signal, retry }),
  )
})
