import express from 'express'
import { expect, test } from 'vitest'
import { events } from '../../src/index'
import { serve } from '../support/server'
import { chatServer } from './samples/express-chat'
import { completion, message } from './samples/llm'

/** A server that answers every POST with this stream, and tells what it was asked. */
async function answers(stream: string) {
  const asked: unknown[] = []
  const app = express()
  app.post('/', express.json(), (request, response) => {
    asked.push(request.body)
    response.type('text/event-stream').end(stream)
  })
  return { url: (await serve(app)).url, asked }
}

async function text(deltas: AsyncIterable<string>): Promise<string> {
  let whole = ''
  for await (const delta of deltas) whole += delta
  return whole
}

const chunk = (delta: object) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`
const named = (type: string, more: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`

test('an answer in the shape of OpenAI ends with [DONE]', async () => {
  const { url, asked } = await answers(
    `${chunk({ role: 'assistant' })}${chunk({ content: 'Hel' })}${chunk({ content: 'lo' })}data: {"choices":[],"usage":{}}\n\ndata: [DONE]\n\n`,
  )
  expect(await text(completion(url, { model: 'm', messages: [] }))).toBe('Hello')
  expect(asked).toEqual([{ model: 'm', messages: [], stream: true }])
})

test('an answer in the shape of OpenAI that stops before [DONE] is truncated, and asked for once', async () => {
  const { url, asked } = await answers(chunk({ content: 'Hel' }))
  await expect(text(completion(url, {}))).rejects.toMatchObject({ code: 'truncated' })
  expect(asked).toHaveLength(1)
})

test('an answer in the shape of OpenAI may hold an error', async () => {
  const { url } = await answers('data: {"error":{"message":"overloaded"}}\n\n')
  await expect(text(completion(url, {}))).rejects.toThrow('overloaded')
})

const hello = [
  named('message_start', { message: { content: [] } }),
  named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  named('ping', {}),
  named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hel' } }),
  named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'lo' } }),
  named('content_block_stop', { index: 0 }),
  named('message_delta', { delta: { stop_reason: 'end_turn' } }),
]

test('an answer in the shape of Anthropic ends with message_stop', async () => {
  const { url } = await answers([...hello, named('message_stop', {})].join(''))
  expect(await text(message(url, {}))).toBe('Hello')
})

test('an answer in the shape of Anthropic may end with an error', async () => {
  const error = { type: 'overloaded_error', message: 'Overloaded' }
  const { url } = await answers([...hello.slice(0, 4), named('error', { error })].join(''))
  await expect(text(message(url, {}))).rejects.toThrow('Overloaded')
})

test('the stop button: close() ends the loop without an error, and the server hears of it', async () => {
  const app = express()
  let gone: () => void = () => {}
  const left = new Promise<void>((resolve) => {
    gone = resolve
  })
  app.post('/', (_, response) => {
    response.type('text/event-stream').write('data: word\n\n')
    response.on('close', gone)
  })
  const { url } = await serve(app)
  const answer = events(url, { json: { question: 'why?' } })
  const words: string[] = []
  for await (const { data } of answer) {
    words.push(data)
    answer.close()
  }
  expect(words).toEqual(['word'])
  await left
})

test('an answer with IDs goes on where the line was cut, and the model is asked once', async () => {
  const asked: string[] = []
  let cut = () => {}
  async function* think(question: string) {
    asked.push(question)
    yield 'one'
    yield 'two'
    await new Promise<void>((resolve) => {
      cut = resolve
    })
    yield 'three'
  }
  const server = await serve(chatServer(think))
  const story: string[] = []
  const answer = events(`${server.url}/chat`, {
    json: { question: 'count' },
    idempotencyKey: true,
    until: '[DONE]',
    onOpen: () => story.push('open'),
    onReconnect: ({ error }) => {
      story.push(`${error?.code}`)
      cut()
    },
  })
  for await (const { data } of answer) {
    story.push(JSON.parse(data))
    if (data === '"two"') for (const socket of server.sockets) socket.destroy()
  }
  expect(story).toEqual(['open', 'one', 'two', 'network', 'open', 'three'])
  expect(asked).toEqual(['count'])
})
