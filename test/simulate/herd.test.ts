import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fetchEventSource } from '@microsoft/fetch-event-source'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { EventSource, events } from '../../src'
import { ours, peak, RETRY, simulate, WAITS, type Wait } from './herd'
import { count, MINUTE } from './report'

describe('a herd that loses its server for a minute', () => {
  const herd = { ...MINUTE, clients: 50_000 }

  test.each([
    { noticed: 'in one instant', spread: 0 },
    { noticed: 'within a second', spread: 1000 },
  ])('returns at a peak 10 times lower than its peers, the loss noticed $noticed', ({ spread }) => {
    const peakOf = (wait: Wait) => peak(simulate(wait, { ...herd, spread }))
    expect([WAITS.peer, WAITS.browser].map(peakOf)).toEqual([50_000, 50_000])
    expect(peakOf(WAITS.events)).toBeLessThan(50_000 / 10)
  })

  test.each([0, 1000, 10_000, 300_000])(
    'returns at a peak 10 times lower after %i ms too, where the server asked for 30 s',
    (outage) => {
      expect(peak(simulate(WAITS.eventsAsked, { ...herd, outage }))).toBeLessThan(50_000 / 10)
    },
  )

  test('has the peak that the docs and the plot show, or `npm run simulate` is due', () => {
    const figure = count(peak(simulate(WAITS.events, MINUTE)))
    for (const file of ['herd.md', 'herd.svg']) {
      expect(readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8')).toContain(figure)
    }
  })
})

describe('a simulated client', () => {
  afterEach(() => {
    vi.useRealTimers()
    vi.restoreAllMocks()
    vi.unstubAllGlobals()
  })

  type Fetch = typeof globalThis.fetch
  const url = 'http://127.0.0.1/'
  const faces = {
    events(fetch: Fetch) {
      const stream = events(url, { fetch })
      stream[Symbol.asyncIterator]().next()
      return () => stream.close()
    },
    eventSource(fetch: Fetch) {
      const source = new EventSource(url, { fetch })
      return () => source.close()
    },
    peer(fetch: Fetch) {
      vi.stubGlobal('window', globalThis)
      vi.stubGlobal('document', new EventTarget())
      const controller = new AbortController()
      fetchEventSource(url, { fetch, signal: controller.signal, openWhenHidden: true })
      return () => controller.abort()
    },
  }

  test.each<[keyof typeof WAITS, keyof typeof faces, string]>([
    ['events', 'events', ''],
    ['eventsAsked', 'events', `retry: ${RETRY}\n\n`],
    ['eventSource', 'eventSource', ''],
    ['eventSourceAsked', 'eventSource', `retry: ${RETRY}\n\n`],
    ['peer', 'peer', ''],
  ])('waits as the real one does: %s', async (name, face, wire) => {
    vi.useFakeTimers()
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const attempts: number[] = []
    const stop = faces[face](async () => {
      attempts.push(Date.now())
      if (attempts.length > 1 || wire === '') throw new TypeError('Failed to fetch')
      return new Response(wire, { headers: { 'content-type': 'text/event-stream' } })
    })
    await vi.advanceTimersByTimeAsync(400_000)
    stop()
    const waits = attempts.slice(1, 8).map((at, index) => at - (attempts[index] as number))
    expect(waits).toEqual([1, 2, 3, 4, 5, 6, 7].map(WAITS[name]))
  })
})

const CLIENTS = 1000

/**
 * How far arrivals are from the expected ones: the largest difference between the shares of the
 * clients that are back, at any time (Kolmogorov and Smirnov's statistic). An arrival up to `late`
 * milliseconds after its time is in time; one before it never is.
 */
function distance(times: Float64Array, expected: Float64Array, late: number): number {
  const back = (time: number) => {
    const later = expected.findIndex((other) => other > time)
    return later < 0 ? 1 : later / expected.length
  }
  return times.reduce((far, time, index) => {
    const early = (index + 1) / times.length - back(time)
    const tardy = back(time - late) - index / times.length
    return Math.max(far, early, tardy)
  }, 0)
}

/** The distance that chance exceeds in one run of a million (Dvoretzky, Kiefer and Wolfowitz). */
const BY_CHANCE = Math.sqrt(Math.log(2 / 1e-6) / (2 * CLIENTS))

/** What is to be expected of 1,000 clients: the average of many herds. */
const expectedOf = (wait: Wait, outage: number) =>
  simulate(wait, { clients: 10_000, outage, spread: 0 }).times

/** The server is away for so many reconnection times: all clients fail once, hardly any twice. */
const AWAY = 2.9
/** So many reconnection times late is too late. */
const LATEST = 2

describe('1,000 real connections on loopback', () => {
  test('return to a server that was killed and restarted as the simulation has it', async () => {
    let server: Server | undefined
    let port = 0
    let onRequest = (_client: number, _response: ServerResponse) => {}
    const start = async () => {
      const starting = createServer((request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        onRequest(Number(request.url?.slice(1)), response)
      })
      server = starting
      await new Promise<void>((resolve) => {
        starting.listen({ port, host: '127.0.0.1', backlog: CLIENTS }, resolve)
      })
      port = (starting.address() as AddressInfo).port
    }
    const kill = () => {
      server?.close()
      server?.closeAllConnections()
    }

    await start()
    const milestones = new EventEmitter()
    const opened = once(milestones, 'opened')
    const responses: ServerResponse[] = []
    onRequest = (_, response) => {
      if (responses.push(response) === CLIENTS) milestones.emit('opened')
    }
    const waited = new Float64Array(CLIENTS)
    const refused = once(milestones, 'refused')
    let refusals = 0
    const began = performance.now()
    const streams = Array.from({ length: CLIENTS }, (_, client) =>
      events(`http://127.0.0.1:${port}/${client}`, {
        onReconnect({ attempt, delay }) {
          waited[client] = (waited[client] as number) + delay
          if (attempt === 2 && ++refusals === CLIENTS) milestones.emit('refused')
        },
      }),
    )
    onTestFinished(() => {
      for (const stream of streams) stream.close()
      kill()
    })
    const readers = streams.map((stream) => stream[Symbol.asyncIterator]())
    const greeted = Promise.all(readers.map((reader) => reader.next()))
    await Promise.race([opened, greeted])

    // The machine sets the pace: a slow one gets more time for its 1,000 attempts.
    const asked = Math.ceil(Math.max(1000, performance.now() - began))
    for (const response of responses) response.write(`retry: ${asked}\ndata: hello\n\n`)
    await greeted

    const consumed = Promise.all(readers.map((reader) => reader.next()))
    const lost = performance.now()
    kill()
    await Promise.race([refused, consumed])
    // How long the server is away is the subject: there is nothing to wait for but time.
    await new Promise((resolve) => setTimeout(resolve, lost + AWAY * asked - performance.now()))
    const back = once(milestones, 'back')
    const arrivals = new Float64Array(CLIENTS)
    let arrived = 0
    onRequest = (client) => {
      arrivals[client] = performance.now()
      if (++arrived === CLIENTS) milestones.emit('back')
    }
    await start()
    const returned = performance.now()
    await Promise.race([back, consumed])

    // Whatever a busy machine adds to the waits makes a client late.
    const late = Math.max(...arrivals.map((at, client) => at - lost - (waited[client] as number)))
    const times = arrivals.map((at) => at - returned).sort()
    const expected = expectedOf(ours({}, asked), returned - lost)
    expect(distance(times, expected, late)).toBeLessThan(BY_CHANCE)
    // Else anything would be in time.
    expect(late).toBeLessThan(LATEST * asked)
  }, 60_000)

  const herd = { clients: CLIENTS, outage: AWAY * 1000, spread: 0 }
  const expected = expectedOf(ours(), herd.outage)

  test.each([2, 3, 4, 5, 6])('are judged by a criterion that our waits meet: seed %i', (seed) => {
    expect(distance(simulate(ours(), { ...herd, seed }).times, expected, 0)).toBeLessThan(BY_CHANCE)
  })

  test.each<[string, Wait]>([
    ['a fixed wait', WAITS.peer],
    ['no growth', ours({ factor: 1 })],
    ['three times the growth', ours({ factor: 6 })],
    ['no jitter', ours({ jitter: 0 })],
    ['half the jitter', ours({ jitter: 0.5 })],
    ['twice the delay', ours({ delay: 2000 })],
  ])('are judged by a criterion that refuses %s, for all that it forgives lateness', (_, wait) => {
    expect(distance(simulate(wait, herd).times, expected, LATEST * 1000)).toBeGreaterThan(
      1.5 * BY_CHANCE,
    )
  })
})
