import { describe, expect, test, vi } from 'vitest'
import { events } from '../../src/faces/events'
import { type Answer, answering, follow } from '../support/fetch'
import {
  type AnyOptions,
  FEED,
  failureOf,
  idOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  settled,
  stop,
  storyOf,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

describe('the last event ID', () => {
  test.each<[string, string, string | null]>([
    ['nothing', '', null],
    ['plain text', '7', '7'],
    ['more than Latin-1, as the bytes of its UTF-8', '…é', '\u00e2\u0080\u00a6\u00c3\u00a9'],
    ['half a surrogate pair, as the replacement character', '\ud800', '\u00ef\u00bf\u00bd'],
    ['a tab', 'a\tb', 'a\tb'],
    ['a control character, which HTTP cannot carry', 'a\x07b', null],
    ['NUL', 'a\0b', null],
    ['DEL', 'a\x7f', null],
    ['a line break', 'a\r\nb', null],
  ])('seeded with %s is sent as %j', async (_, lastEventId, sent) => {
    const run = await play([noContent()], { lastEventId })
    await run.followed
    expect(run.requests.map(idOf)).toEqual([sent])
    expect(run.source.lastEventId).toBe(lastEventId)
  })

  test.each([
    [8190, 8190],
    [8193, undefined],
    [600_000, undefined],
  ])(
    'of %i bytes does not stop the reconnect, and is sent if servers take it',
    async (size, sent) => {
      const id = '…'.repeat(size / 3)
      const run = await play([stream([`id: ${id}\ndata: 1\n\n`]), noContent()], {}, 1000)
      await run.followed
      expect(run.requests[1]?.headers.get('last-event-id')?.length).toBe(sent)
    },
  )

  test('that HTTP cannot carry does not stop the reconnect', async () => {
    const run = await play([stream(['id: \x01\ndata: 1\n\n']), noContent()], {}, 1000)
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'reconnect:end:1000', 'fetch', 'done'])
    expect(run.source.lastEventId).toBe('\x01')
  })

  test('is carried over a connection that brings none, and reset by an empty one', async () => {
    const answers = [
      stream(['id: 7\ndata: 1\n\n']),
      stream(['data: 2\n\n']),
      stream(['id\ndata: 3\n\n']),
    ]
    const seen: string[] = []
    const { source, requests } = prepare([...answers, noContent()])
    const followed = (async () => {
      for await (const { data, lastEventId } of source) seen.push(`${data}@${lastEventId}`)
    })()
    await vi.advanceTimersByTimeAsync(10_000)
    await followed
    expect(seen).toEqual(['1@7', '2@7', '3@'])
    expect(requests.map(idOf)).toEqual([null, '7', '7', null])
  })

  test('moves with a block that is no event', async () => {
    expect(await storyOf([stream(['data: 1\n\nid: 8\n\n']), noContent()])).toEqual([
      ...['fetch', 'message:1', 'reconnect:end:1000', 'fetch:8', 'done'],
    ])
  })

  test('moves with delivery, never with what was read', async () => {
    const { source } = prepare([stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\n\n'], 'stall')])
    const iterator = source[Symbol.asyncIterator]()
    const seen = [source.lastEventId]
    for (const _ of [1, 2]) {
      await iterator.next()
      await settled()
      seen.push(source.lastEventId)
    }
    const next = iterator.next()
    await settled()
    seen.push(source.lastEventId)
    expect(seen).toEqual(['', '1', '2', '3'])
    source.close()
    await next
  })

  test('cannot be set: the cursor can', () => {
    const { source } = prepare([])
    expect(() => Object.assign(source, { lastEventId: '5' })).toThrow(TypeError)
    expect(source.lastEventId).toBe('')
  })
})

describe('the cursor without the option', () => {
  test('is the last event ID', async () => {
    const { source } = prepare([stream(['id: 7\ndata: 1\n\n'], 'stall')], { lastEventId: '3' })
    expect(source.cursor).toBe('3')
    await source[Symbol.asyncIterator]().next()
    expect([source.cursor, source.lastEventId]).toEqual(['7', '7'])
    source.close()
  })

  test('set, is the last event ID of the next attempt', async () => {
    const run = await play([stream(['id: 7\ndata: 1\n\n'], 'stall'), noContent()])
    run.source.cursor = 42
    expect([run.source.cursor, run.source.lastEventId]).toEqual(['42', '42'])
    run.source.reconnect()
    await run.followed
    expect(run.requests.map(idOf)).toEqual([null, '42'])
  })

  test('set to the empty text, is the start', async () => {
    const run = await play([stream(['id: 7\ndata: 1\n\n'], 'stall'), noContent()])
    run.source.cursor = ''
    run.source.reconnect()
    await run.followed
    expect(run.requests.map(idOf)).toEqual([null, null])
  })

  test('set, replaces what the parser carries; an ID of the server’s replaces it again', async () => {
    const body = live()
    const { source } = prepare([body.response])
    const iterator = source[Symbol.asyncIterator]()
    body.write('id: 1\ndata: a\n\ndata: b\n\nid: 3\ndata: c\n\n')
    await iterator.next()
    source.cursor = '9'
    expect((await iterator.next()).value?.lastEventId).toBe('9')
    expect((await iterator.next()).value?.lastEventId).toBe('3')
    expect(source.cursor).toBe('3')
    source.close()
  })

  test('set before the start and between iterations, is where they begin', async () => {
    const { source, requests, story } = prepare([
      stream(['id: 7\ndata: 1\n\n'], 'stall'),
      noContent(),
    ])
    source.cursor = '5'
    for await (const _ of source) break
    source.cursor = '6'
    await follow(source, story)
    expect(requests.map(idOf)).toEqual(['5', '6'])
  })

  test('set during a wait or a policy’s thought, counts for the attempt after it', async () => {
    let answer!: (delay: number) => void
    const retry = () => new Promise<number>((resolve) => (answer = resolve))
    const run = await play([stream(['id: 7\ndata: 1\n\n']), reset(), noContent()], { retry })
    run.source.cursor = 'a'
    answer(1000)
    await vi.advanceTimersByTimeAsync(1000)
    answer(1000)
    await settled()
    run.source.cursor = 'b'
    await vi.advanceTimersByTimeAsync(1000)
    await run.followed
    expect(run.requests.map(idOf)).toEqual([null, 'a', 'b'])
  })
})

describe('the cursor option', () => {
  const place: AnyOptions = {
    decode: JSON.parse,
    cursor: ({ data }) => data.at,
    headers: ({ cursor }) => ({ 'X-Cursor': cursor }),
  }
  const cursorOf = ({ headers }: { headers: Headers }) => headers.get('x-cursor')
  const at = (...places: (number | string | undefined)[]) =>
    places.map((place) => `data: ${JSON.stringify({ at: place })}\n\n`).join('')

  test('is called with each decoded event that is delivered, and says where to go on', async () => {
    const seen: unknown[] = []
    const { source, requests } = prepare(
      [stream(['id: 7\nevent: x\n', at(1), at(2), 'data: null\n\n'], reset()), noContent()],
      {
        ...place,
        decode: (data) => JSON.parse(data) ?? undefined,
        cursor: (event) => {
          seen.push(event)
          return event.data.at
        },
      },
    )
    const followed = (async () => {
      for await (const _ of source);
    })()
    await vi.advanceTimersByTimeAsync(1000)
    await followed
    expect(seen).toEqual([
      { type: 'x', data: { at: 1 }, lastEventId: '7' },
      { type: 'message', data: { at: 2 }, lastEventId: '7' },
    ])
    expect(requests.map(cursorOf)).toEqual(['', '2'])
    // The ID is kept beside it, and sent as ever.
    expect(requests.map(idOf)).toEqual([null, '7'])
  })

  test('undefined leaves the cursor where it is; 0 is a place', async () => {
    const { source } = prepare([stream([at(5, undefined, 0, 'x')], 'stall')], place)
    const iterator = source[Symbol.asyncIterator]()
    const seen: string[] = [source.cursor]
    for (const _ of [1, 2, 3, 4]) {
      await iterator.next()
      seen.push(source.cursor)
    }
    expect(seen).toEqual(['', '5', '5', '0', 'x'])
    source.close()
  })

  test('until it has given a place the cursor is empty: lastEventId does not set it', async () => {
    const { source, requests } = prepare([noContent()], { ...place, lastEventId: '7' })
    expect([source.cursor, source.lastEventId]).toEqual(['', '7'])
    await source[Symbol.asyncIterator]().next()
    expect([requests.map(cursorOf), requests.map(idOf)]).toEqual([[''], ['7']])
  })

  test('moves with delivery, one event at a time', async () => {
    const { source } = prepare([stream([at(1, 2, 3)], 'stall')], place)
    const iterator = source[Symbol.asyncIterator]()
    for (const expected of ['1', '2', '3']) {
      await iterator.next()
      await settled()
      expect(source.cursor).toBe(expected)
    }
    source.close()
  })

  test('set, is where the next attempt goes on, and clears the last event ID', async () => {
    const run = await play([stream(['id: 7\n', at(1)], 'stall'), noContent()], place)
    expect([run.source.cursor, run.source.lastEventId]).toEqual(['1', '7'])
    run.source.cursor = 9
    expect([run.source.cursor, run.source.lastEventId]).toEqual(['9', ''])
    run.source.reconnect()
    await run.followed
    expect([run.requests.map(cursorOf), run.requests.map(idOf)]).toEqual([
      ['', '9'],
      [null, null],
    ])
  })

  test('set to the empty text, is the start: neither place nor ID goes out', async () => {
    const run = await play([stream(['id: 7\n', at(1)], 'stall'), noContent()], place)
    run.source.cursor = ''
    run.source.reconnect()
    await run.followed
    expect([run.requests.map(cursorOf), run.requests.map(idOf)]).toEqual([
      ['', ''],
      [null, null],
    ])
  })

  test('set, clears what the parser carries, too', async () => {
    const body = live()
    const { source } = prepare([body.response], place)
    const iterator = source[Symbol.asyncIterator]()
    body.write(`id: 7\n${at(1, 2)}`)
    await iterator.next()
    source.cursor = '5'
    expect(await iterator.next()).toMatchObject({ value: { data: { at: 2 }, lastEventId: '' } })
    expect([source.cursor, source.lastEventId]).toEqual(['2', ''])
    source.close()
  })

  test('a new iteration goes on from it', async () => {
    const { source, requests, story } = prepare(
      [stream([at(1, 2, 3)], 'stall'), noContent()],
      place,
    )
    for await (const { data } of source) if ((data as unknown as { at: number }).at === 2) break
    await follow(source, story)
    expect(requests.map(cursorOf)).toEqual(['', '2'])
  })

  test('that throws ends the stream with code data; a new iteration goes on after the event', async () => {
    const cause = new RangeError('of the caller')
    const { source, requests, story } = prepare(
      [stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n']), noContent()],
      {
        cursor: ({ data }) => {
          if (data === '2') throw cause
          return `c${data}`
        },
        headers: place.headers,
      },
    )
    const iterator = source[Symbol.asyncIterator]()
    expect(await iterator.next()).toMatchObject({ value: { data: '1' } })
    expect(await failureOf(iterator.next())).toMatchObject({
      code: 'data',
      cause,
      event: { type: 'message', data: '2', lastEventId: '2' },
      attempt: 1,
    })
    await follow(source, story)
    expect(requests.map(cursorOf)).toEqual(['', 'c1'])
    expect(requests.map(idOf)).toEqual([null, '2'])
  })

  test('an offset in a control event: decode keeps it, and the request goes on from there', async () => {
    const answers: Answer[] = [
      stream(['data: a\n\nevent: offset\ndata: 10\n\ndata: b\n\n'], reset()),
      stream(['data: b\n\nevent: offset\ndata: 20\n\n']),
      noContent(),
    ]
    const { fetch, requests } = answering(...answers)
    const source = events(({ cursor }) => `${FEED}?offset=${cursor || -1}`, {
      fetch: (url, init) => fetch(url, init as RequestInit),
      cursor: ({ type, data }) => (type === 'offset' ? data : undefined),
    })
    const story: string[] = []
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(60_000)
    await followed
    expect(requests.map(({ url }) => new URL(url).search)).toEqual([
      ...['?offset=-1', '?offset=10', '?offset=20'],
    ])
    // At least once: the server’s order of data and offset allows no better.
    expect(story).toEqual(['message:a', 'offset:10', 'message:b', 'message:b', 'offset:20', 'done'])
  })
})

describe('reading the members', () => {
  test('of a stream that a policy looks at', async () => {
    const seen: unknown[] = []
    const run = await play([stream(['id: 7\ndata: 1\n\n'], reset()), noContent()], {
      cursor: () => 'here',
      retry: ({ cursor, delay }) => {
        seen.push(cursor)
        return delay
      },
    })
    await stop(run)
    expect(seen).toEqual(['here'])
  })
})
