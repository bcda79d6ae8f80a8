import express from 'express'
import { expect, test } from 'vitest'
import { events, parseJson } from '../../src/index'
import { serve } from '../support/server'
import { chatServer } from './samples/express-chat'

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

test('an answer goes on where the connection was cut, and the model is asked once', async () => {
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
    headers: { 'Idempotency-Key': crypto.randomUUID() },
    resume: 'same',
    decode: parseJson,
    until: '[DONE]',
    retry: { delay: 1 },
    onOpen: () => story.push('open'),
    onReconnect: ({ error }) => {
      story.push(`${error?.code}`)
      cut()
    },
  })
  for await (const { data } of answer) {
    story.push(data)
    if (data === 'two') for (const socket of server.sockets) socket.destroy()
  }
  expect(story).toEqual(['open', 'one', 'two', 'network', 'open', 'three'])
  expect(asked).toEqual(['count'])
})
