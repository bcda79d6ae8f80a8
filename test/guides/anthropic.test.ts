import { expect, test } from 'vitest'
import { model, refuse, quick as retry, stopAtEveryMoment, text } from './model'
import { message } from './samples/anthropic'

const named = (type: string, more: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const delta = (delta: object, index = 1) => named('content_block_delta', { index, delta })

const hello = [
  named('message_start', { message: { id: 'm1', content: [], usage: { input_tokens: 3 } } }),
  named('content_block_start', { index: 0, content_block: { type: 'thinking', thinking: '' } }),
  named('ping'),
  delta({ type: 'thinking_delta', thinking: 'A greeting.' }, 0),
  named('content_block_stop', { index: 0 }),
  named('content_block_start', { index: 1, content_block: { type: 'text', text: '' } }),
  delta({ type: 'text_delta', text: 'Hel' }),
  delta({ type: 'text_delta', text: 'lo' }),
  named('content_block_stop', { index: 1 }),
  named('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }),
]
const stop = named('message_stop')

test('the answer ends with message_stop; pings and thoughts are no text', async () => {
  const { url, asked } = await model({ chunks: [...hello, stop] })
  expect(await text(message(url, { max_tokens: 9 }))).toBe('Hello')
  expect(asked).toMatchObject([{ body: { max_tokens: 9, stream: true } }])
})

test.each([
  ['ends', 'end', 'truncated'],
  ['is cut', 'cut', 'network'],
] as const)(
  'an answer that %s before message_stop is an error, and asked for once',
  async (_, after, code) => {
    for (let count = 0; count <= hello.length; count++) {
      const { url, lines } = await model({ chunks: hello.slice(0, count), after })
      await expect(text(message(url, {}, { retry }))).rejects.toMatchObject({ code })
      expect(lines).toEqual(['POST /'])
    }
  },
)

test('a 529 after the first token is an event, which is thrown, and asked for once', async () => {
  const error = named('error', { error: { type: 'overloaded_error', message: 'Overloaded' } })
  for (let count = 0; count <= hello.length; count++) {
    const service = await model({ chunks: [...hello.slice(0, count), error], after: 'silence' })
    await expect(text(message(service.url, {}, { retry }))).rejects.toThrow('Overloaded')
    await service.left()
    expect(service.lines).toEqual(['POST /'])
  }
})

test.each([429, 529])(
  'a %i before the first token is tried twice more, then thrown',
  async (status) => {
    const busy = refuse(status, 'Overloaded')
    const twice = await model(busy, busy, { chunks: [...hello, stop] })
    expect(await text(message(twice.url, {}, { retry }))).toBe('Hello')
    const always = await model(busy, busy, busy)
    await expect(text(message(always.url, {}, { retry }))).rejects.toMatchObject({
      status,
      body: expect.stringContaining('Overloaded'),
    })
    expect(always.lines).toHaveLength(3)
  },
)

test('Stop at every moment', async () => {
  await stopAtEveryMoment(hello, (url, signal) => text(message(url, {}, { signal, retry })))
})
