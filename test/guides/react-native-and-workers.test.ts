import { afterEach, expect, test, vi } from 'vitest'
import { events } from '../../src/index'
import { live } from '../support/response'
import worker from './samples/relay'

afterEach(() => {
  vi.unstubAllGlobals()
})

test('the relay: a place asked for is passed on, so are the events, and who leaves ends both', async () => {
  const upstream = live()
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string, { headers }: { headers: Record<string, string> }) => {
    asked.push(`${url} ${headers['Last-Event-ID']}`)
    return upstream.response
  })
  const through = events('https://worker.test/', {
    lastEventId: '7',
    fetch: (url, init) => worker.fetch(new Request(url, init)),
  })
  const reading = through[Symbol.asyncIterator]()
  upstream.write('id: 8\nevent: price\ndata: {\ndata: "gold": 7}\n\n')
  expect((await reading.next()).value).toEqual({
    type: 'price',
    data: '{\n"gold": 7}',
    lastEventId: '8',
  })
  await reading.return?.()
  await upstream.cancelled
  expect(asked).toEqual(['https://example.com/feed 7'])
})

test('a fetch whose response does not stream, as React Native’s own, is named as what is wrong', async () => {
  const headers = new Headers({ 'content-type': 'text/event-stream' })
  const fetch = async () => ({ status: 200, headers, text: async () => '' }) as never
  await expect(
    events('https://api.test/', { fetch })[Symbol.asyncIterator]().next(),
  ).rejects.toThrow('Expected a Response whose body is a ReadableStream, got none')
})
