import { describe, expect, test, vi } from 'vitest'
import type { Gate } from '../../src/session/gate'
import type { Attempt } from '../../src/transport/request'
import { follow } from '../support/fetch'
import {
  type AnyOptions,
  failureOf,
  idOf,
  noContent,
  ownTheClock,
  play,
  prepare,
  reset,
  settled,
  status,
  stop,
} from '../support/play'
import { live, stream } from '../support/response'

ownTheClock()

/** A gate that the test opens; it is shut each time it is asked. */
function turnstile() {
  const asked: Parameters<Gate>[0][] = []
  const waits: (() => void)[] = []
  const gate: Gate = (attempt) => {
    asked.push(attempt)
    return new Promise((resolve) => waits.push(resolve))
  }
  return {
    gate,
    asked,
    /** Lets the attempt pass, and settles. */
    open: () => {
      waits.at(-1)?.()
      return settled()
    },
    release: () => {
      asked.at(-1)?.release()
      return settled()
    },
  }
}

describe('a gate', () => {
  test('is called before each attempt, which is made when it resolves', async () => {
    const { gate, asked, open } = turnstile()
    const run = await play([status(503), noContent()], { gate })
    expect([run.source.status, run.source.retryAt, run.requests.length]).toEqual([
      'waiting',
      undefined,
      0,
    ])
    await open()
    await vi.advanceTimersByTimeAsync(1000)
    expect([run.source.status, run.source.retryAt]).toEqual(['waiting', undefined])
    expect(asked.length).toBe(2)
    await open()
    await run.followed
    expect(run.story).toEqual(['fetch', 'reconnect:503:1000', 'fetch', 'done'])
  })

  test('that returns nothing is open: the stream never says that it waits', async () => {
    const seen: string[] = []
    const look = () => void seen.push(source.status)
    const { source, story } = prepare([noContent()], {
      gate: look,
      headers: () => {
        look()
        return {}
      },
    })
    await follow(source, story)
    expect(seen).toEqual(['connecting', 'connecting'])
  })

  test('the number of the attempt and connectTimeout begin after it', async () => {
    const { gate, open } = turnstile()
    const attempts: number[] = []
    const run = await play(['silence'], {
      gate,
      connectTimeout: 500,
      headers: ({ number }: Attempt) => {
        attempts.push(number)
        return {}
      },
    })
    expect(run.source.attempt).toBe(0)
    await vi.advanceTimersByTimeAsync(60_000)
    expect([run.source.attempt, run.source.status]).toEqual([0, 'waiting'])
    await open()
    expect([run.source.attempt, attempts]).toEqual([1, [1]])
    await vi.advanceTimersByTimeAsync(499)
    expect(run.story).toEqual(['fetch'])
    await vi.advanceTimersByTimeAsync(1)
    expect(run.story).toEqual(['fetch', 'reconnect:timeout:1000'])
    await stop(run)
  })

  test('is no failure, however long it is shut', async () => {
    const { gate, open } = turnstile()
    const run = await play([noContent()], { gate, retry: false }, 3_600_000)
    expect(run.source.failures).toBe(0)
    await open()
    await run.followed
    expect(run.story).toEqual(['fetch', 'done'])
  })

  test('what it throws is final, thrown as it is; no policy is asked', async () => {
    for (const thrown of [new Error('of the caller'), 'text', undefined, 0]) {
      for (const gate of [
        () => {
          throw thrown
        },
        () => Promise.reject(thrown),
      ] as Gate[]) {
        const retry = vi.fn(() => 0)
        const { source, requests } = prepare([], { gate, retry })
        expect(await failureOf(source[Symbol.asyncIterator]().next())).toBe(thrown)
        expect([source.status, requests.length]).toEqual(['closed', 0])
        expect(retry).not.toHaveBeenCalled()
      }
    }
  })

  test('its signal is aborted when the attempt, its connection or the stream is over', async () => {
    const { gate, asked, open } = turnstile()
    const body = live()
    const run = await play([reset(), body.response, 'silence'], { gate })
    const aborted = () => asked.map(({ signal }) => signal.aborted)
    await open()
    expect(aborted()).toEqual([true])
    await vi.advanceTimersByTimeAsync(1000)
    await open()
    expect(aborted()).toEqual([true, false])
    body.fail(reset())
    await settled()
    expect(aborted()).toEqual([true, true])
    await vi.advanceTimersByTimeAsync(2000)
    expect(aborted()).toEqual([true, true, false])
    await stop(run)
    expect(aborted()).toEqual([true, true, true])
  })

  test('holds up no end', async () => {
    const control = new AbortController()
    const { gate, asked } = turnstile()
    const run = await play([], { gate, signal: control.signal })
    control.abort('stop')
    await run.followed
    expect([asked[0]?.signal.aborted, ...run.story]).toEqual([true, 'throws:stop'])
  })

  test('is asked again by reconnect(), at every moment', async () => {
    const { gate, asked, open } = turnstile()
    const run = await play([live().response, reset(), noContent()], { gate })
    run.source.reconnect()
    await settled()
    expect(asked.length).toBe(2)
    await open()
    expect(run.source.status).toBe('open')
    run.source.reconnect()
    await settled()
    expect([asked.length, run.source.status]).toEqual([3, 'waiting'])
    await open()
    run.source.reconnect()
    await settled()
    expect(asked.length).toBe(4)
    await open()
    await run.followed
    expect(run.story).toEqual(['fetch', 'fetch', 'reconnect:network:1000', 'fetch', 'done'])
  })

  test('is heard where it stops the stream, or connects anew, by itself', async () => {
    for (const answer of [undefined, Promise.resolve()]) {
      const { source, story } = prepare([noContent()], {
        gate: () => {
          source.close()
          return answer
        },
      })
      await follow(source, story)
      expect([source.status, ...story]).toEqual(['closed', 'done'])
    }
    let times = 0
    const { source, story } = prepare([noContent()], {
      gate: async () => {
        if (++times === 1) source.reconnect()
      },
    })
    await follow(source, story)
    expect([times, ...story]).toEqual([2, 'fetch', 'done'])
  })

  test('sees neither the first events of a connection nor its end: it is asked, and that is all', async () => {
    const gate = vi.fn()
    const run = await play([stream(['data: 1\n\n']), noContent()], { gate }, 1000)
    await run.followed
    expect(gate).toHaveBeenCalledTimes(2)
  })
})

describe('release()', () => {
  test('lets the connection go and asks the gate again: no failure, nothing told, the place kept', async () => {
    const { gate, asked, open, release } = turnstile()
    const body = live()
    const run = await play([body.response, noContent()], { gate })
    await open()
    body.write('id: 7\ndata: 1\n\n')
    await settled()
    await release()
    await body.cancelled
    expect([run.source.status, run.source.retryAt, run.source.failures]).toEqual([
      'waiting',
      undefined,
      0,
    ])
    expect([asked.length, run.requests.length]).toEqual([2, 1])
    await vi.advanceTimersByTimeAsync(60_000)
    await open()
    await run.followed
    expect(run.story).toEqual(['fetch', 'message:1', 'fetch:7', 'done'])
  })

  test('what has been read is delivered first', async () => {
    const { gate, open, release } = turnstile()
    const { source, requests } = prepare(
      [stream(['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n'], 'stall')],
      {
        gate,
      },
    )
    const iterator = source[Symbol.asyncIterator]()
    const first = iterator.next()
    await settled()
    await open()
    await first
    await release()
    expect(source.status).toBe('connecting')
    expect((await iterator.next()).value?.data).toBe('2')
    const next = iterator.next()
    await settled()
    await open()
    expect(requests.map(idOf)).toEqual([null, '2'])
    source.close()
    await next
  })

  test('takes back a request that is not answered', async () => {
    const { gate, open, release } = turnstile()
    const run = await play(['silence', noContent()], { gate })
    await open()
    await release()
    expect(run.requests[0]?.signal?.aborted).toBe(true)
    await open()
    await run.followed
    expect(run.story).toEqual(['fetch', 'fetch', 'done'])
  })

  test('before the gate has resolved counts once it has', async () => {
    const { gate, asked, open, release } = turnstile()
    const run = await play([noContent()], { gate })
    await release()
    await release()
    expect(asked.length).toBe(1)
    // The gate waits for a turn of the event loop before it is asked again.
    vi.useRealTimers()
    asked.length = 0
    void open().catch(() => {})
    await vi.waitFor(() => expect(asked.length).toBe(1))
    vi.useFakeTimers()
    expect(run.requests.length).toBe(0)
    await open()
    await run.followed
    expect(run.story).toEqual(['fetch', 'done'])
  })

  test('so gates compose, one after the other', async () => {
    const a = turnstile()
    const b = turnstile()
    const run = await play([live().response, noContent()], {
      gate: async (attempt) => {
        await a.gate(attempt)
        await b.gate(attempt)
      },
    })
    expect([a.asked.length, b.asked.length]).toEqual([1, 0])
    await a.open()
    expect([a.asked.length, b.asked.length, run.requests.length]).toEqual([1, 1, 0])
    await b.open()
    expect(run.source.status).toBe('open')
    await a.release()
    expect([a.asked.length, b.asked.length, run.source.status]).toEqual([2, 1, 'waiting'])
    await a.open()
    await b.open()
    await run.followed
    expect(run.story).toEqual(['fetch', 'fetch', 'done'])
  })

  test('of an attempt that is over has no effect', async () => {
    const { gate, asked, open } = turnstile()
    const run = await play([reset(), live().response], { gate })
    await open()
    asked[0]?.release()
    await vi.advanceTimersByTimeAsync(1000)
    await open()
    asked[0]?.release()
    await settled()
    expect([run.source.status, asked.length]).toEqual(['open', 2])
    await stop(run)
    asked[1]?.release()
    expect(run.source.status).toBe('closed')
  })

  test('has no effect where the request must not be repeated', async () => {
    const rows: [string, AnyOptions, string, boolean][] = [
      ['a POST', { method: 'POST' }, 'id: 1\ndata: 1\n\n', false],
      ['a POST with retry', { method: 'POST', retry: {} }, 'id: 1\ndata: 1\n\n', false],
      ["a POST with resume: 'same'", { method: 'POST', resume: 'same' }, '', true],
      ['a POST with a resume function', { method: 'POST', resume: () => '/on' }, '', true],
      ['a finite GET with an event and no place', { until: 'end' }, 'data: 1\n\n', false],
      ['a finite GET with a place', { until: 'end' }, 'id: 1\ndata: 1\n\n', true],
      ['a finite GET without an event', { until: 'end' }, ': hi\n\n', true],
      ['one with a cursor', { until: 'end', cursor: () => 1 }, 'data: 1\n\n', true],
      ['a body that goes once', { method: 'QUERY', body: live().response.body }, '', false],
    ]
    for (const [what, options, text, heard] of rows) {
      const { gate, asked, open, release } = turnstile()
      const body = live()
      const run = await play([body.response], { gate, ...options })
      await open()
      body.write(text)
      await settled()
      await release()
      expect([what, asked.length, run.source.status]).toEqual(
        heard ? [what, 2, 'waiting'] : [what, 1, 'open'],
      )
      await stop(run)
    }
  })

  test('in a wait has no effect: the gate is asked after it anyway', async () => {
    const { gate, asked, open } = turnstile()
    const run = await play([reset(), noContent()], { gate })
    await open()
    asked[0]?.release()
    await vi.advanceTimersByTimeAsync(999)
    expect([asked.length, run.source.status]).toEqual([1, 'waiting'])
    await vi.advanceTimersByTimeAsync(1)
    expect(asked.length).toBe(2)
    await open()
    await run.followed
  })

  test('a gate that cannot make up its mind does not hold the event loop', async () => {
    vi.useRealTimers()
    let asked = 0
    const { source } = prepare([], {
      gate: ({ release }) => {
        asked++
        release()
      },
    })
    const next = source[Symbol.asyncIterator]().next()
    await new Promise((resolve) => setTimeout(resolve, 20))
    source.close()
    await next
    expect(asked).toBeGreaterThan(1)
    const before = asked
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(asked).toBe(before)
    vi.useFakeTimers()
  })
})

test('a gate that is reached by React Native’s AppState is a few lines', async () => {
  const AppState = {
    currentState: 'background',
    listeners: new Set<(state: string) => void>(),
    addEventListener(_type: string, listener: (state: string) => void) {
      this.listeners.add(listener)
      return { remove: () => this.listeners.delete(listener) }
    },
    turn(state: string) {
      this.currentState = state
      for (const listener of [...this.listeners]) listener(state)
      return settled()
    },
  }
  const whenActive: Gate = ({ signal, release }) =>
    new Promise((resolve) => {
      const look = (state: string) => (state === 'active' ? resolve() : release())
      const { remove } = AppState.addEventListener('change', look)
      signal.addEventListener('abort', remove)
      if (AppState.currentState === 'active') resolve()
    })
  const run = await play([live().response, noContent()], { gate: whenActive })
  expect(run.source.status).toBe('waiting')
  await AppState.turn('active')
  expect(run.source.status).toBe('open')
  await AppState.turn('background')
  expect(run.source.status).toBe('waiting')
  await AppState.turn('active')
  await run.followed
  expect(run.story).toEqual(['fetch', 'fetch', 'done'])
  expect(AppState.listeners.size).toBe(0)
})

test('release() is heard in any microtask after the gate has resolved', async () => {
  for (let ticks = 0; ticks < 20; ticks++) {
    const asked: (() => void)[] = []
    const gate: Gate = async ({ release }) => {
      asked.push(release)
    }
    const { source } = prepare([], { gate })
    const next = source[Symbol.asyncIterator]().next()
    while (asked.length === 0) await undefined
    for (let tick = 0; tick < ticks; tick++) await undefined
    asked[0]?.()
    for (let turn = 0; turn < 5; turn++) await settled()
    await vi.waitFor(() => expect([ticks, asked.length]).toEqual([ticks, 2]))
    source.close()
    await next
  }
})
