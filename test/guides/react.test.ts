import { QueryClient, QueryObserver } from '@tanstack/react-query'
import express from 'express'
import { expect, onTestFinished, test } from 'vitest'
import { serve } from '../support/server'
import { answerQuery } from './samples/streamed-query'

async function model(end: string) {
  const app = express()
  const story: string[] = []
  app.post('/', express.json(), (request, response) => {
    story.push(request.body.question)
    response.on('close', () => story.push('close'))
    response.type('text/event-stream').write('data: Hel\n\ndata: lo\n\n')
    if (end) response.end(end)
  })
  return { ...(await serve(app)), story }
}

function client() {
  const queries = new QueryClient()
  onTestFinished(() => queries.clear())
  return queries
}

test('streamedQuery: the answer grows in the cache and ends with its terminal event', async () => {
  const { url } = await model('data: [DONE]\n\n')
  expect(await client().fetchQuery(answerQuery(url, 'why?'))).toBe('Hello')
})

test('streamedQuery: an answer that is cut is an error of the query, and asked for once', async () => {
  const { url, story } = await model(':\n\n')
  await expect(client().fetchQuery(answerQuery(url, 'why?'))).rejects.toMatchObject({
    code: 'truncated',
  })
  expect(story).toEqual(['why?', 'close'])
})

test('streamedQuery: the last observer that leaves closes the socket', async () => {
  const server = await model('')
  const observer = new QueryObserver(client(), answerQuery(server.url, 'why?'))
  await new Promise<void>((resolve) => {
    const unsubscribe = observer.subscribe(({ data }) => {
      if (data !== 'Hello') return
      unsubscribe()
      resolve()
    })
  })
  await server.socketsToBe(0)
  expect(server.story).toEqual(['why?', 'close'])
})
