import { firstValueFrom, Subject, take, toArray } from 'rxjs'
import { expect, test, vi } from 'vitest'
import { serve } from '../support/server'
import { answers, prices, shared } from './samples/rxjs'

/** A price now and then for whoever asks, an answer that does not end for a POST. */
async function market() {
  const requests: string[] = []
  const server = await serve(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    requests.push(`${request.method} ${body}`)
    response.setHeader('Content-Type', 'text/event-stream')
    let price = 0
    const tick = setInterval(() => response.write(`data: {"price":${++price}}\n\n`), 5)
    response.on('close', () => clearInterval(tick))
  })
  return { ...server, requests }
}

test('an operator that has enough closes the socket', async () => {
  const server = await market()
  const two = prices(server.url).pipe(take(2), toArray())
  expect(await firstValueFrom(two)).toEqual([1, 2])
  await server.socketsToBe(0)
})

test('share(): many subscribers, one request, and the last who leaves closes it', async () => {
  const server = await market()
  const both = shared(server.url)
  const story: string[] = []
  const one = both.subscribe(() => story.push('one'))
  const two = both.subscribe(() => story.push('two'))
  await vi.waitFor(() => expect(story.slice(0, 2)).toEqual(['one', 'two']))
  one.unsubscribe()
  const heard = story.length
  await vi.waitFor(() => expect(story.slice(heard, heard + 2)).toEqual(['two', 'two']))
  two.unsubscribe()
  await server.socketsToBe(0)
  expect(server.requests).toEqual(['GET '])
})

test('switchMap(): a new question closes the answer before', async () => {
  const server = await market()
  const typed = new Subject<string>()
  const heard: string[] = []
  const subscription = answers(server.url, typed).subscribe(({ data }) => heard.push(data))
  typed.next('wh')
  typed.next('why?')
  await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0))
  typed.next('who?')
  await vi.waitFor(() => expect(server.requests).toHaveLength(2))
  await server.socketsToBe(1)
  subscription.unsubscribe()
  await server.socketsToBe(0)
  expect(server.requests).toEqual(['POST {"question":"why?"}', 'POST {"question":"who?"}'])
})
