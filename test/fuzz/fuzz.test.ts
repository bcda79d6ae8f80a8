import { describe, expect, test } from 'vitest'
import { fuzz } from './fuzz'
import { type SessionCase, session } from './session'

const seed = Number(process.env.FUZZ_SEED ?? 1)

test(`a few seconds of fuzzing find nothing (npm run fuzz has more), seed ${seed}`, async () => {
  const { failures } = await fuzz(3, seed)
  expect(failures).toEqual([])
})

const quick = { wait: 0, retryAfter: 0, retry: 0, replay: 0, chunk: 30, gap: 0 } as const
const plain: SessionCase = {
  face: 'events',
  method: 'GET',
  ids: true,
  refreshable: true,
  retry: 'none',
  onEnd: 'default',
  resume: 'none',
  decodes: false,
  gated: false,
  connectTimeout: 0,
  idleTimeout: 50,
  dedupe: false,
  deaf: false,
  attempts: [
    { ...quick, answer: 401, events: 0, cut: 0, end: 'end' },
    { ...quick, answer: 'open', events: 4, cut: 6, end: 'error' },
    { ...quick, answer: 'open', events: 4, cut: 0, end: 'stall' },
  ],
  actions: [],
}

describe('an interruption in any microtask of a session loses and leaves nothing', () => {
  for (const face of ['events', 'batches', 'EventSource', 'fetchEventSource'] as const) {
    for (const does of ['reconnect', 'fail', 'close', 'abort', 'sleep', 'release'] as const) {
      // The drop-in has but one way to be stopped.
      if (face === 'fetchEventSource' && does !== 'abort') continue
      test(`${does}, by ${face}`, async () => {
        for (const deaf of [false, true]) {
          for (let when = 1; when <= 6; when++) {
            for (let ticks = 0; ticks <= 30; ticks++) {
              const actions = [{ at: 'move', when, ticks, does }] as const
              // A gate, and a decode that takes its time, have microtasks of their own.
              const slow = { decodes: ticks % 2 > 0, gated: ticks % 3 > 0 || does === 'release' }
              await session.check({ ...plain, ...slow, face, deaf, actions })
            }
          }
        }
      })
    }
  }
})

test('a reconnect in any microtask of a new iteration sends no request for nothing', async () => {
  for (let ticks = 0; ticks <= 40; ticks++) {
    await session.check({
      ...plain,
      attempts: [],
      actions: [
        { at: 'event', when: 1, ticks, does: 'reconnect' },
        { at: 'event', when: 2, ticks: 0, does: 'throw' },
      ],
    })
  }
})

/** Cases that failed once, as `npm run fuzz` prints them. */
const kept: [what: string, is: SessionCase][] = [
  [
    'a cut in the middle of replayed events does not move the place back',
    {
      ...plain,
      dedupe: true,
      attempts: [
        { ...quick, answer: 'open', events: 5, cut: 0, end: 'end' },
        { ...quick, answer: 'open', events: 1, cut: 0, end: 'end', replay: 3 },
        { ...quick, answer: 'open', events: 1, cut: 0, end: 'end', replay: 3 },
      ],
    },
  ],
  [
    'a page in place of a stream is final, though its text takes longer than connectTimeout',
    {
      ...plain,
      connectTimeout: 50,
      attempts: [{ ...quick, answer: 'html', events: 0, cut: 0, end: 'end', gap: 100 }],
    },
  ],
  [
    'a reconnect while the end of the body is looked at delivers no half of an event',
    {
      ...plain,
      attempts: [{ ...quick, answer: 'open', events: 1, cut: 14, end: 'end' }],
      actions: [{ at: 'move', when: 4, ticks: 2, does: 'reconnect' }],
    },
  ],
  [
    'an abort while the text of a refusal is read leaves no timer',
    {
      ...plain,
      face: 'fetchEventSource',
      deaf: true,
      attempts: [{ ...quick, answer: 'html', events: 0, cut: 0, end: 'end' }],
      actions: [{ at: 'move', when: 1, ticks: 8, does: 'abort' }],
    },
  ],
]

describe('what failed once', () => {
  test.each(kept)('%s', async (_, is) => {
    await session.check(is)
  })
})
