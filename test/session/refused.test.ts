import { describe, expect, test } from 'vitest'
import { events } from '../../src/faces/events'
import type { Answer } from '../support/fetch'
import { follow } from '../support/fetch'
import {
  type AnyOptions,
  noContent,
  ownTheClock,
  play,
  reset,
  status,
  stop,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

// An answer that asks for fresh headers: `authStatuses`.

ownTheClock()

const headers = () => ({ Authorization: 'Bearer' })
const unauthorised = (code = 401) => status(code)

describe('a 401 that fresh headers answer', () => {
  test.each<[string, Answer[], AnyOptions, string[]]>([
    [
      'is answered at once, untold and uncounted',
      [unauthorised(), noContent()],
      { headers },
      ['fetch', 'fetch', 'done'],
    ],
    [
      'twice in a row is a failure as any other',
      [unauthorised(), unauthorised(), noContent()],
      { headers },
      ['fetch', 'fetch', 'reconnect:401:1000', 'fetch', 'done'],
    ],
    [
      'three times in a row is thrown',
      [unauthorised(), unauthorised(), unauthorised()],
      { headers },
      ['fetch', 'fetch', 'reconnect:401:1000', 'fetch', 'throws:status'],
    ],
    [
      'is answered with retry: false, once: the second is thrown',
      [unauthorised(), unauthorised(), noContent()],
      { headers, retry: false },
      ['fetch', 'fetch', 'throws:status'],
    ],
    [
      'is answered again after the stream has been open',
      [unauthorised(), stream([]), unauthorised(), noContent()],
      { headers },
      ['fetch', 'fetch', 'reconnect:end:1000', 'fetch', 'fetch', 'done'],
    ],
    [
      'is answered again after another failure: what was fresh may be stale by now',
      [unauthorised(), status(503), unauthorised(), noContent()],
      { headers },
      ['fetch', 'fetch', 'reconnect:503:1000', 'fetch', 'fetch', 'done'],
    ],
    [
      'is fatal where nothing makes headers anew',
      [unauthorised(), noContent()],
      { headers: headers() },
      ['fetch', 'throws:status'],
    ],
    [
      'of a POST is answered, twice: the server has refused it',
      [unauthorised(), unauthorised(), noContent()],
      { headers, method: 'POST' },
      ['fetch', 'fetch', 'reconnect:401:1000', 'fetch', 'done'],
    ],
    [
      'keeps the last event ID',
      [stream(['id: 7\ndata: 1\n\n']), unauthorised(), noContent()],
      { headers },
      ['fetch', 'message:1', 'reconnect:end:1000', 'fetch:7', 'fetch:7', 'done'],
    ],
    [
      'waits for what it asks, the second time',
      [unauthorised(), status(401, { 'retry-after': '7' }), noContent()],
      { headers },
      ['fetch', 'fetch', 'reconnect:401:7000', 'fetch', 'done'],
    ],
    [
      'that says no is thrown',
      [status(401, { 'x-should-retry': 'false' }), noContent()],
      { headers },
      ['fetch', 'throws:status'],
    ],
  ])('%s', async (_, answers, options, expected) => {
    expect(await storyOf(answers, options)).toEqual(expected)
  })

  test('is answered where the URL is made anew, too', async () => {
    let tickets = 0
    const urls: string[] = []
    const answers = [unauthorised(), noContent()]
    const source = events(() => `https://example.com/feed?ticket=${++tickets}`, {
      fetch: async (url) => {
        urls.push(url)
        return answers[urls.length - 1] as Response
      },
    })
    const story: string[] = []
    await follow(source, story)
    expect(story).toEqual(['done'])
    expect(urls.map((url) => url.split('?')[1])).toEqual(['ticket=1', 'ticket=2'])
  })

  test('counts as no failure, the first time', async () => {
    const seen: number[] = []
    const run = await play([unauthorised(), 'silence'], { headers })
    seen.push(run.source.failures, run.source.attempt)
    await stop(run)
    expect(seen).toEqual([0, 2])
  })

  test('a policy is asked from the second on, and at the third with delay: false', async () => {
    const asked: unknown[] = []
    const answers = Array.from({ length: 5 }, () => unauthorised())
    const story = await storyOf([...answers, noContent()], {
      headers,
      retry: ({ delay, failures }) => {
        asked.push([failures, delay])
        return failures < 3 && 50
      },
    })
    expect(asked).toEqual([
      [1, 1000],
      [2, false],
      [3, false],
    ])
    expect(story).toEqual([
      ...['fetch', 'fetch', 'reconnect:401:50', 'fetch', 'reconnect:401:100', 'fetch'],
      'throws:status',
    ])
  })

  test('a policy cannot repeat a POST whose headers nothing makes anew', async () => {
    const story = await storyOf([unauthorised(), noContent()], {
      headers: headers(),
      method: 'POST',
      retry: () => 0,
    })
    expect(story).toEqual(['fetch', 'throws:status'])
  })

  test('is answered again after reconnect()', async () => {
    const answers = [unauthorised(), live().response, unauthorised(), noContent()]
    const run = await play(answers, { headers })
    run.source.reconnect()
    await run.followed
    expect(run.story).toEqual(['fetch', 'fetch', 'fetch', 'fetch', 'done'])
  })

  test('is what the attempts after it are told', async () => {
    const told: unknown[] = []
    await storyOf([unauthorised(), unauthorised(), stream([]), reset(), noContent()], {
      headers: ({ error, unauthorized, sent }) => {
        told.push([error?.status ?? error?.code, unauthorized, sent?.get('x-n')])
        return { 'x-n': `${told.length}` }
      },
    })
    expect(told).toEqual([
      [undefined, false, undefined],
      [401, true, '1'],
      [401, true, '2'],
      [undefined, false, '3'],
      ['network', false, '4'],
    ])
  })
})

describe('authStatuses', () => {
  test('says which answers ask for fresh headers', async () => {
    const options = { headers, authStatuses: [403, 419] }
    expect(await storyOf([unauthorised(403), noContent()], options)).toEqual([
      'fetch',
      'fetch',
      'done',
    ])
    expect(await storyOf([unauthorised(419), noContent()], options)).toEqual([
      'fetch',
      'fetch',
      'done',
    ])
    expect(await storyOf([unauthorised(401), noContent()], options)).toEqual([
      'fetch',
      'throws:status',
    ])
  })

  test('different ones in a row count together', async () => {
    const answers = [unauthorised(403), unauthorised(401), unauthorised(403), noContent()]
    expect(await storyOf(answers, { headers, authStatuses: [401, 403] })).toEqual([
      ...['fetch', 'fetch', 'reconnect:401:1000', 'fetch', 'throws:status'],
    ])
  })

  test('none of them leaves 401 final', async () => {
    expect(await storyOf([unauthorised(), noContent()], { headers, authStatuses: [] })).toEqual([
      ...['fetch', 'throws:status'],
    ])
  })
})
