import { describe, expect, test, vi } from 'vitest'
import type { Answer } from '../support/fetch'
import { type AnyOptions, ownTheClock, play, reset, settled, stop } from '../support/play'
import { body, live, stream } from '../support/response'

ownTheClock()

const waitsOf = (story: string[]) =>
  story.filter((line) => line.startsWith('reconnect')).map((line) => Number(line.split(':')[2]))

/** The waits of a stream that gets these answers, for so many milliseconds. */
async function waits(answers: Answer[], options: AnyOptions = {}, time = 60_000) {
  const run = await play(answers, options, time)
  await stop(run)
  return waitsOf(run.story)
}

const many = (answer: (number: number) => Answer, count = 6) =>
  Array.from({ length: count }, (_, number) => answer(number))

/** A connection with these chunks that ends, or is cut, after so many milliseconds. */
const lasting =
  (milliseconds: number, chunks: string[], cut = true) =>
  () => {
    const connection = live()
    for (const chunk of chunks) connection.write(chunk)
    setTimeout(() => (cut ? connection.fail(reset()) : connection.end()), milliseconds)
    return connection.response
  }

describe('no progress, so the waits grow:', () => {
  test.each<[string, (number: number) => Answer]>([
    ['nothing but failures', reset],
    ['a stream that opens and ends', () => stream([])],
    ['one with comments', () => stream([': hi\n\n'])],
    ['one that opens and is cut', () => stream([], reset())],
    ['a greeting, and a cut', () => stream(['data: hello\n\n'], reset())],
    ['another greeting each time, and a cut', (n) => stream([`id: ${n}\ndata: ${n}\n\n`], reset())],
    ['the same greeting, and a polite end', () => stream(['data: hello\n\n'])],
    ['the same cached answer', () => stream(['data: 1\n\ndata: 2\n\n'])],
    [
      'the same cached answer with its IDs, cut',
      () => stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'], reset()),
    ],
    ['a greeting of which half comes again', (n) => stream([`data: hello\n\ndata: ${n}`])],
  ])('%s', async (_, answer) => {
    expect((await waits(many(answer))).slice(0, 4)).toEqual([1000, 2000, 4000, 8000])
  })

  test('and maxRetries is reached', async () => {
    for (const answer of [
      (n: number) => stream([`id: ${n}\ndata: ${n}\n\n`], reset()),
      () => stream(['data: hello\n\n']),
    ]) {
      const run = await play(many(answer, 20), { retry: { maxRetries: 5, delay: 10 } }, 60_000)
      await run.followed
      expect(run.requests.length).toBe(6)
    }
  })

  test('one event after an hour of nothing is still one event, but it stayed', async () => {
    expect(
      await waits([reset(), reset(), lasting(3_600_000, ['data: 1\n\n'])], {}, 3_700_000),
    ).toEqual([...[1000, 2000, 1000]])
  })
})

describe('progress, so the pace is kept:', () => {
  test.each<[string, (number: number) => Answer]>([
    ['a clean end after each event', (n) => stream([`data: ${n}\n\n`])],
    ['the same data under another ID', (n) => stream([`id: ${n}\ndata: same\n\n`])],
    ['the same data under another type', (n) => stream([`event: t${n}\ndata: same\n\n`])],
    ['two events and a cut', (n) => stream([`data: hello\n\ndata: ${n}\n\n`], reset())],
    ['two events and half a third', (n) => stream([`data: hello\n\ndata: ${n}\n\ndata: x`])],
  ])('%s', async (_, answer) => {
    expect(await waits(many(answer), {}, 4500)).toEqual([1000, 1000, 1000, 1000, 1000])
  })

  test('by the cursor, where there is one', async () => {
    const options: AnyOptions = { cursor: ({ data }) => data }
    const moving = (n: number) => stream([`id: same\ndata: ${n}\n\n`])
    expect(await waits(many(moving), options, 2500)).toEqual([1000, 1000, 1000])
    const standing = (n: number) => stream([`id: ${n}\ndata: same\n\n`])
    expect(await waits(many(standing), options, 6000)).toEqual([1000, 2000, 4000])
  })

  test('an event that decode leaves out, or skip passes over, is none', async () => {
    const answer = (n: number) => stream([`id: ${n}\ndata: ${n}\n\n`])
    const rows: AnyOptions[] = [{ decode: () => undefined }, { skip: () => true }]
    for (const options of rows) {
      expect(await waits(many(answer), options, 6000)).toEqual([1000, 2000, 4000])
    }
  })

  test('after a failure, from the start', async () => {
    const answers = [
      reset(),
      reset(),
      stream(['data: 1\n\ndata: 2\n\n'], reset()),
      reset(),
      reset(),
    ]
    expect(await waits(answers, {}, 8000)).toEqual([1000, 2000, 1000, 2000, 4000])
  })
})

describe('a connection that stays', () => {
  test.each<[number, number | undefined, number]>([
    // The wait before it was 2 s.
    [1999, undefined, 4000],
    [2000, undefined, 1000],
    [4999, 5000, 4000],
    [5000, 5000, 1000],
    [99, 100, 4000],
    [100, 100, 1000],
  ])('for %d ms, with resetAfter %s: the next wait is %d', async (open, resetAfter, expected) => {
    const answers = [reset(), reset(), lasting(open, [])]
    const told = await waits(answers, { retry: { resetAfter } }, 3000 + open)
    expect(told).toEqual([1000, 2000, expected])
  })

  test('is never one of a stream that was not open, not even with resetAfter: 0', async () => {
    const told = await waits(many(reset, 4), { retry: { resetAfter: 0 } })
    expect(told.slice(0, 4)).toEqual([1000, 2000, 4000, 8000])
  })

  test('needs a second, however short the wait before it was', async () => {
    for (const [open, last] of [
      [999, 100],
      [1000, 1],
    ] as const) {
      const answers = [reset(), reset(), lasting(open, [])]
      expect((await waits(answers, { retry: { delay: 1 } }, 101 + open)).at(2)).toBe(last)
    }
  })

  test('needs five seconds, however long the wait before it was', async () => {
    for (const [open, last] of [
      [4999, 30_000],
      [5000, 1000],
    ] as const) {
      const answers = [...many(reset, 6), lasting(open, [])]
      const told = await waits(answers, {}, 61_000 + open)
      expect([told.length, told.at(-1)]).toEqual([7, last])
    }
  })

  test('a cutter of 25 s after an outage of five minutes: healthy at the first reconnect', async () => {
    const answers: Answer[] = [...many(reset, 13), ...Array(4).fill(lasting(25_000, []))]
    const told = await waits(answers, {}, 400_000)
    expect(told.slice(0, 7)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    expect(told.slice(13)).toEqual([1000, 1000, 1000, 1000])
  })

  test('its wait for the headers does not count', async () => {
    const run = await play([reset(), 'silence'], { connectTimeout: 100_000 }, 101_000)
    await stop(run)
    expect(waitsOf(run.story)).toEqual([1000, 2000])
  })

  test('one that was let go counts when it was let go: the failures before it are over', async () => {
    let release!: () => void
    const options: AnyOptions = {
      gate: (attempt) => {
        release = attempt.release
      },
    }
    const run = await play([reset(), reset(), live().response, reset()], options, 3000)
    expect(run.source.failures).toBe(2)
    await vi.advanceTimersByTimeAsync(3_600_000)
    release()
    await settled()
    expect(waitsOf(run.story)).toEqual([1000, 2000, 1000])
    await stop(run)
  })
})

test('the count is told where it changes', async () => {
  const answers = [
    reset(),
    reset(),
    () => new Response(body([]), { headers: { 'content-type': 'text/event-stream' } }),
  ]
  const run = await play(answers, {}, 999)
  const seen = [run.source.failures]
  await vi.advanceTimersByTimeAsync(2000)
  seen.push(run.source.failures)
  await vi.advanceTimersByTimeAsync(1000)
  seen.push(run.source.failures)
  expect(seen).toEqual([1, 2, 3])
  await stop(run)
})
