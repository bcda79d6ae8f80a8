import { describe, expect, test, vi } from 'vitest'
import { events } from '../../src/faces/events'
import { dedupe } from '../../src/parts/dedupe'
import { answering, follow } from '../support/fetch'
import {
  type AnyOptions,
  FEED,
  idOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  settled,
  stop,
} from '../support/play'
import { stream } from '../support/response'

ownTheClock()

const chunk = (...list: string[]) =>
  list.map((id) => `${id && `id: ${id}\n`}data: ${id || '-'}\n\n`).join('')
const ids = (...list: string[]) => stream([chunk(...list)])
const told = (story: string[]) =>
  story.filter((line) => line.startsWith('message')).map((line) => line.slice(8))

describe('dedupe', () => {
  test.each<[string, number | undefined, string[], string[], string[]]>([
    ['is off by default', undefined, ['1', '2'], ['2', '3'], ['1', '2', '2', '3']],
    ['drops after a resume what was delivered', 10, ['1', '2'], ['1', '2', '3'], ['1', '2', '3']],
    [
      'remembers as many IDs as it says',
      2,
      ['1', '2', '3'],
      ['1', '2', '3', '4'],
      ['1', '2', '3', '1', '4'],
    ],
    [
      'keeps what has one ID on one connection',
      10,
      ['1', '1', '1'],
      ['2', '2'],
      ['1', '1', '1', '2', '2'],
    ],
    [
      'counts an ID that comes again as the newest',
      2,
      ['1', '2', '1', '3'],
      ['1', '2', '3'],
      ['1', '2', '1', '3', '2'],
    ],
    [
      'never drops an event without an ID of its own',
      10,
      ['1', '', ''],
      ['', '1', ''],
      ['1', '-', '-', '-', '-'],
    ],
  ])('%s', async (_, count, first, second, expected) => {
    const options: AnyOptions = count === undefined ? {} : { skip: dedupe(count) }
    const run = await play([ids(...first), ids(...second), noContent()], options, 60_000)
    await run.followed
    expect(told(run.story)).toEqual(expected)
  })

  test('keeps an event that resets the ID, for the empty one is no ID', async () => {
    const answers = [ids('', '1'), stream(['id\ndata: reset\n\n']), noContent()]
    const run = await play(answers, { skip: dedupe(10) }, 60_000)
    await run.followed
    expect(told(run.story)).toEqual(['-', '1', 'reset'])
  })

  test('drops what comes by any later connection, not only the next', async () => {
    const answers = [ids('1', '2'), ids('3'), ids('1', '2', '3', '4'), noContent()]
    const run = await play(answers, { skip: dedupe(10) }, 60_000)
    await run.followed
    expect(told(run.story)).toEqual(['1', '2', '3', '4'])
  })

  test('an ID that is used again, long after the resume, is another event', async () => {
    const answers = [ids('1', '2'), ids('2', '3', '4', '1', '2'), noContent()]
    const run = await play(answers, { skip: dedupe(2) }, 60_000)
    await run.followed
    expect(told(run.story)).toEqual(['1', '2', '3', '4', '1', '2'])
  })

  test('does not hold what was never delivered against it', async () => {
    const { source, story } = prepare([ids('1', '2', '3'), ids('1', '2', '3'), noContent()], {
      skip: dedupe(10),
    })
    for await (const { data } of source) {
      story.push(`message:${data}`)
      source.close()
    }
    const followed = follow(source, story)
    await vi.advanceTimersByTimeAsync(1000)
    await followed
    expect(told(story)).toEqual(['1', '2', '3'])
  })

  test('not even what was being decoded when the stream was stopped', async () => {
    let slow = true
    const decode = (data: string) => (data === '2' && slow ? new Promise(() => {}) : data)
    const { source, story } = prepare([ids('1', '2'), ids('1', '2', '3'), noContent()], {
      skip: dedupe(10),
      decode,
    })
    const followed = follow(source, story)
    await settled()
    source.close()
    await followed
    slow = false
    const again = follow(source, story)
    await vi.advanceTimersByTimeAsync(1000)
    await again
    expect(told(story)).toEqual(['1', '2', '3'])
  })

  test('an event that decode leaves out, or throws on, has been delivered', async () => {
    const seen: string[] = []
    const { source, story } = prepare([ids('1', '2', '3'), ids('1', '2', '3', '4'), noContent()], {
      skip: dedupe(10),
      decode: (data) => {
        seen.push(data)
        if (data === '3') throw new Error('bad')
        return data === '1' ? undefined : data
      },
    })
    await follow(source, story)
    const again = follow(source, story)
    await vi.advanceTimersByTimeAsync(1000)
    await again
    expect(seen).toEqual(['1', '2', '3', '4'])
  })

  test('what it drops moves nothing, and is no progress', async () => {
    const answers = [ids('1'), ids('1'), ids('1'), ids('1')]
    const run = await play(answers, { skip: dedupe(10) }, 60_000)
    expect(run.story.slice(0, 9)).toEqual([
      ...['fetch', 'message:1', 'reconnect:end:1000', 'fetch:1', 'reconnect:end:2000'],
      ...['fetch:1', 'reconnect:end:4000', 'fetch:1', 'reconnect:end:8000'],
    ])
    await stop(run)
    expect(run.source.lastEventId).toBe('1')
    expect(run.requests.map(idOf).slice(0, 2)).toEqual([null, '1'])
  })

  test('is kept by stream: one options object may serve many', async () => {
    const options = { skip: dedupe(10), onEnd: 'complete' } as const
    const stories: string[][] = []
    for (const answers of [[ids('1', '2')], [ids('1', '2')]]) {
      const { fetch } = answering(...answers)
      const story: string[] = []
      await follow(
        events(FEED, { ...options, fetch: (url, init) => fetch(url, init as RequestInit) }),
        story,
      )
      stories.push(story)
    }
    expect(stories).toEqual([
      ['message:1', 'message:2', 'done'],
      ['message:1', 'message:2', 'done'],
    ])
  })

  test.each([0, -1, 1.5, Number.NaN, '5', undefined])('%o is no count', (count) => {
    expect(() => dedupe(count as number)).toThrow(/^Expected the count of dedupe\(\)/)
  })
})
