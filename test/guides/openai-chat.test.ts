import { expect, test } from 'vitest'
import { model, refuse, quick as retry, stopAtEveryMoment, text } from './model'
import { chat } from './samples/openai-chat'

const data = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const delta = (delta: object, more?: object) =>
  data({ id: 'c1', object: 'chat.completion.chunk', choices: [{ index: 0, delta, ...more }] })

const hello = [
  ': PROCESSING\n\n',
  data({ choices: [], prompt_filter_results: [] }), // Azure’s first chunk.
  delta({ role: 'assistant', content: '' }),
  delta({ content: 'Hel' }),
  delta({ content: 'lo' }),
  delta({}, { finish_reason: 'stop' }),
  data({ choices: [], usage: { total_tokens: 3 } }),
]
const done = 'data: [DONE]\n\n'

test('the answer ends with [DONE]; chunks without choices and the usage are no text', async () => {
  const { url, asked } = await model({ chunks: [...hello, done] })
  expect(await text(chat(url, { model: 'm', messages: [] }))).toBe('Hello')
  expect(asked).toMatchObject([{ body: { model: 'm', messages: [], stream: true } }])
})

test('[DONE] without its blank line is the end, as gateways send it', async () => {
  const { url } = await model({ chunks: [...hello, 'data: [DONE]'] })
  expect(await text(chat(url, {}))).toBe('Hello')
})

test.each([
  ['ends', 'end', 'truncated'],
  ['is cut', 'cut', 'network'],
] as const)(
  'an answer that %s before [DONE] is an error, and asked for once',
  async (_, after, code) => {
    for (let count = 0; count <= hello.length; count++) {
      const { url, lines } = await model({ chunks: hello.slice(0, count), after })
      await expect(text(chat(url, {}, { retry }))).rejects.toMatchObject({ code })
      expect(lines).toEqual(['POST /'])
    }
  },
)

test.each([
  ['vLLM', data({ object: 'error', message: 'out of memory', code: 500 })],
  ['OpenRouter', data({ error: { code: 429, message: 'out of memory' }, choices: [] })],
  ['OpenAI', 'event: error\ndata: {"error":{"message":"out of memory"}}\n\n'],
  ['a gateway', 'event: error\ndata: {"message":"out of memory","status":529}\n\n'],
])('an error of %s after the first token is thrown, and asked for once', async (_, error) => {
  const service = await model({ chunks: [...hello.slice(0, 4), error], after: 'silence' })
  let heard = ''
  const reading = async () => {
    for await (const word of chat(service.url, {})) heard += word
  }
  await expect(reading()).rejects.toThrow('out of memory')
  expect(heard).toBe('Hel')
  await service.left()
  expect(service.lines).toEqual(['POST /'])
})

test.each([429, 529])(
  'a %i before the first token is tried twice more, then thrown',
  async (status) => {
    const busy = refuse(status, 'slow down')
    const twice = await model(busy, busy, { chunks: [...hello, done] })
    expect(await text(chat(twice.url, {}, { retry }))).toBe('Hello')
    expect(twice.lines).toHaveLength(3)
    const always = await model(busy, busy, busy)
    await expect(text(chat(always.url, {}, { retry }))).rejects.toMatchObject({
      code: 'status',
      status,
      body: expect.stringContaining('slow down'),
    })
    expect(always.lines).toHaveLength(3)
  },
)

test('a 503 that names a time to come back is tried again', async () => {
  const { url, lines } = await model(refuse(503, 'slow down'), { chunks: [...hello, done] })
  expect(await text(chat(url, {}, { retry }))).toBe('Hello')
  expect(lines).toHaveLength(2)
})

test('a 500 is thrown at once, with what the service says', async () => {
  const { url, lines } = await model({ status: 500, chunks: ['{"error":{"message":"bug"}}'] })
  await expect(text(chat(url, {}, { retry }))).rejects.toMatchObject({ status: 500 })
  expect(lines).toEqual(['POST /'])
})

test('Stop at every moment', async () => {
  await stopAtEveryMoment(hello, (url, signal) => text(chat(url, {}, { signal, retry })))
})
