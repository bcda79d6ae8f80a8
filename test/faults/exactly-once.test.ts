import { beforeEach, describe, expect, test } from 'vitest'
import { EventSource } from '../../src/faces/event-source'
import { type EventsOptions, events } from '../../src/faces/events'
import { fetchEventSource } from '../../src/faces/fetch-event-source'
import type { ServerSentEvent } from '../../src/parser/event'
import { dedupe } from '../../src/parts/dedupe'
import { hurry } from './hurry'
import { Random, seedOf } from './random'
import { FAULTS, type FaultServer, serveFaults, TYPES } from './server'

/** Near zero, so that a thousand faults cost seconds: no wait after a clean end is below 100 ms. */
const retry = { delay: 1, jitter: 0, factor: 1 }
const SPEED = 100
beforeEach(() => hurry(SPEED))
/** A stall before the headers is for the one, a stall after them for the other. */
const timeouts = { connectTimeout: 40, idleTimeout: 40 }

type Received = Pick<ServerSentEvent, 'type' | 'data' | 'lastEventId'>

/** Checks each event against the one that is due, and keeps the first surprise. */
class Ledger {
  due = 1
  surprise: { due: ServerSentEvent; got: Received } | undefined
  readonly #server: FaultServer
  readonly #last: number

  constructor(server: FaultServer, last: number) {
    this.#server = server
    this.#last = last
  }

  /** Whether that was all, or went wrong: the consumer stops. */
  take(got: Received): boolean {
    const due = this.#server.event(this.due)
    if (got.type !== due.type || got.data !== due.data || got.lastEventId !== due.lastEventId) {
      this.surprise = { due, got }
      return true
    }
    return this.due++ === this.#last
  }
}

type Consumer = (url: string, take: (event: Received) => boolean) => Promise<void>

const consume =
  (options: EventsOptions = {}): Consumer =>
  async (url, take) => {
    for await (const event of events(url, { retry, ...timeouts, ...options })) {
      if (take(event)) return
    }
  }

const consumeBatches: Consumer = async (url, take) => {
  for await (const batch of events(url, { retry, ...timeouts }).batches()) {
    for (const event of batch) if (take(event)) return
  }
}

const listen: Consumer = (url, take) =>
  new Promise((resolve, reject) => {
    const source = new EventSource(url, { retry, ...timeouts })
    const listener = (event: MessageEvent) => {
      if (take(event)) {
        source.close()
        resolve()
      }
    }
    for (const type of TYPES) source.addEventListener(type, listener)
    source.onerror = ({ error }) => {
      if (source.readyState === 2) reject(error)
    }
  })

const fetchEvents: Consumer = async (url, take) => {
  const control = new AbortController()
  // It has no timeouts of its own, so this one is here for the stalls.
  let silence: ReturnType<typeof setTimeout> | undefined
  let lastEventId = ''
  while (!control.signal.aborted) {
    const attempt = new AbortController()
    const alive = () => {
      clearTimeout(silence)
      silence = setTimeout(() => attempt.abort(), timeouts.idleTimeout * SPEED)
    }
    alive()
    await fetchEventSource(url, {
      signal: attempt.signal,
      headers: { 'last-event-id': lastEventId },
      onmessage({ id, event, data }) {
        alive()
        lastEventId = id
        if (!take({ type: event || 'message', data, lastEventId: id })) return
        control.abort()
        attempt.abort()
      },
      onclose() {
        throw new Error('too early')
      },
      onerror() {
        alive()
        return 1
      },
    })
  }
  clearTimeout(silence)
}

const faces: [face: string, seed: number, consume: Consumer][] = [
  ['events()', 1, consume()],
  ['events().batches()', 2, consumeBatches],
  ['EventSource', 3, listen],
  ['fetchEventSource()', 4, fetchEvents],
]

async function arriveOnce(server: FaultServer, count: number, consume: Consumer): Promise<void> {
  const ledger = new Ledger(server, count)
  await consume(server.url, (event) => ledger.take(event))
  expect(ledger.surprise).toBeUndefined()
  expect(ledger.due).toBe(count + 1)
}

describe('100,000 events over more than 1,000 faults arrive once each and in order', () => {
  for (const [face, fixed, consume] of faces) {
    const seed = seedOf(fixed)
    test(`by ${face}, seed ${seed}`, { timeout: 60_000 }, async () => {
      const server = await serveFaults({ seed, events: 100_000 })
      await arriveOnce(server, 100_000, consume)
      expect(server.faults.length).toBeGreaterThan(1000)
      const seen = new Set(server.faults.map((fault) => fault.replace(/, after.*/, '')))
      expect([...seen].sort()).toEqual([...FAULTS].sort())
    })
  }
})

describe('a server that replays around the resume point', () => {
  const replaying = { events: 10_000, between: 60, replay: 20, stalls: 0 }
  const seed = seedOf(5)

  test(`doubles nothing with a dedupe window, seed ${seed}`, async () => {
    const server = await serveFaults({ ...replaying, seed })
    await arriveOnce(server, 10_000, consume({ skip: dedupe(20) }))
    expect(server.faults.length).toBeGreaterThan(100)
  })

  test('doubles what it replays without one: the window is opt-in', async () => {
    const server = await serveFaults({ ...replaying, seed })
    const ledger = new Ledger(server, 10_000)
    await consume()(server.url, (event) => ledger.take(event))
    const { due, got } = ledger.surprise ?? expect.fail('nothing was doubled')
    expect(Number.parseInt(got.lastEventId, 10)).toBeLessThan(Number.parseInt(due.lastEventId, 10))
  })
})

describe('a consumer that interrupts at random loses nothing and doubles nothing', () => {
  const count = 20_000
  const faults = { events: count, between: 200, stalls: 0 }
  const options = { retry, ...timeouts }

  const seed = seedOf(6)
  test(`by reconnect(), close(), break and throw in the loop, seed ${seed}`, async () => {
    const server = await serveFaults({ ...faults, seed })
    const random = new Random(seed)
    const done: Record<string, number> = {}
    await arriveOnce(server, count, async (url, take) => {
      const stream = events(url, options)
      const consume = async () => {
        for await (const event of stream) {
          if (take(event)) return true
          if (!random.chance(0.02)) continue
          const way = random.pick(['reconnect', 'close', 'break', 'throw', 'soon'])
          done[way] = (done[way] ?? 0) + 1
          if (way === 'reconnect') stream.reconnect()
          if (way === 'close') stream.close()
          if (way === 'break') return false
          if (way === 'throw') throw new Error('the consumer failed')
          // In the middle of whatever the stream does then: a read, a wait, a request.
          if (way === 'soon') setTimeout(() => stream.reconnect(), random.integer(0, 5) * SPEED)
        }
        return false
      }
      while (!(await consume().catch(() => false)));
    })
    expect(Object.values(done).every((times) => times > 30)).toBe(true)
  })

  const batchSeed = seedOf(7)
  test(`by close() and a break between batches, seed ${batchSeed}`, async () => {
    const server = await serveFaults({ ...faults, seed: batchSeed })
    const random = new Random(batchSeed)
    await arriveOnce(server, count, async (url, take) => {
      const stream = events(url, options)
      for (;;) {
        for await (const batch of stream.batches()) {
          for (const event of batch) if (take(event)) return
          const way = random.pick(['go on', 'reconnect', 'close', 'break'])
          if (way === 'reconnect') stream.reconnect()
          if (way === 'close') stream.close()
          if (way === 'break') break
        }
      }
    })
  })

  const sourceSeed = seedOf(8)
  test(`by close() and reconnect() in a listener, seed ${sourceSeed}`, async () => {
    const server = await serveFaults({ ...faults, seed: sourceSeed })
    const random = new Random(sourceSeed)
    await arriveOnce(
      server,
      count,
      (url, take) =>
        new Promise((resolve) => {
          const source = new EventSource(url, options)
          const listener = (event: MessageEvent) => {
            if (take(event)) {
              source.close()
              resolve()
            }
            if (source.readyState === 2 || !random.chance(0.04)) return
            // In the middle of a batch: what has come after this event has to come again.
            const way = random.pick(['reconnect', 'reopen', 'close'])
            if (way !== 'reconnect') source.close()
            if (way === 'close') setTimeout(() => source.reconnect(), random.integer(0, 5) * SPEED)
            else source.reconnect()
          }
          for (const type of TYPES) source.addEventListener(type, listener)
        }),
    )
  })
})
