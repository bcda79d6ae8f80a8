import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { events } from '../../src/faces/events'
import { Random, seedOf } from '../faults/random'
import { live } from '../support/response'

const SECOND = 1000
const MINUTE = 60 * SECOND

const seed = seedOf(41)
beforeEach(() => {
  vi.useFakeTimers()
  const random = new Random(seed)
  vi.spyOn(Math, 'random').mockImplementation(() => random.next())
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A stream of an event a second, behind a proxy that cuts every response after so long. */
function cutAfter(time: number): Response {
  const { response, write, fail, cancelled } = live()
  const ticks = setInterval(() => write('data: tick\n\n'), SECOND)
  const cut = setTimeout(() => {
    clearInterval(ticks)
    fail(new TypeError('terminated'))
  }, time)
  cancelled.then(() => {
    clearInterval(ticks)
    clearTimeout(cut)
  })
  return response
}

/** The share of an hour that a stream is connected, from its first reconnect after the outage. */
async function connected(every: number, outage: number): Promise<number> {
  const began = Date.now()
  const isAway = () => Date.now() > began + MINUTE && Date.now() < began + MINUTE + outage
  let from = 0
  let opened = 0
  let open = 0
  const source = events('http://x/', {
    async fetch() {
      if (isAway()) throw new TypeError('no network')
      return cutAfter(every)
    },
    onOpen() {
      opened = Date.now()
      if (Date.now() > began + MINUTE + outage) from ||= opened
    },
    onReconnect() {
      if (from > 0) open += Date.now() - opened
    },
  })
  const read = (async () => {
    for await (const _ of source);
  })()
  while (from === 0 || Date.now() < from + 60 * MINUTE) await vi.advanceTimersByTimeAsync(SECOND)
  if (source.status === 'open') open += Date.now() - opened
  const share = open / (Date.now() - from)
  source.close()
  await read
  return share
}

test.each([
  [10, 87],
  [25, 94],
  [30, 94],
])(
  `behind a cutter of %i s a stream that met an outage of five minutes is connected %i % of the time, seed ${seed}`,
  async (every, percent) => {
    const share = await connected(every * SECOND, 5 * MINUTE)
    expect(Math.round(share * 100)).toBeGreaterThanOrEqual(percent)
  },
)

test('and no less than without the outage', async () => {
  for (const every of [10, 25, 30]) {
    const [after, always] = [
      await connected(every * SECOND, 5 * MINUTE),
      await connected(every * SECOND, 0),
    ]
    expect(Math.abs(after - always)).toBeLessThan(0.01)
  }
})
