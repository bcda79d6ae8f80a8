import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fetchEventSource } from '../src/faces/fetch-event-source'
import { EventSource, type EventSourceInit, type EventsOptions, events } from '../src/index'
import { runChild } from './faults/child'
import { stream } from './support/response'
import { serve } from './support/server'

const EVENTS = 'id: 1\ndata: a\n\nid: 2\ndata: b\n\n'
const TYPE = { 'content-type': 'text/event-stream' }

test('after every fault, left in every way, no timer, socket, listener or rejection is left', async () => {
  const server = await serve(({ url }, response) => {
    const open = () => response.writeHead(200, TYPE)
    const answers: Record<string, () => unknown> = {
      '/stream': () => open().write(EVENTS),
      '/ended': () => open().end(EVENTS),
      '/silent': () => {},
      '/quiet': () => open().flushHeaders(),
      '/reset': () => response.socket?.resetAndDestroy(),
      '/cut': () => open().write(EVENTS, () => response.socket?.destroy()),
      '/html': () => response.writeHead(200, { 'content-type': 'text/html' }).write('<p>'),
    }
    const answer = answers[url ?? ''] ?? (() => response.writeHead(Number(url?.slice(1))).end())
    answer()
  })
  const { lines, errors, code } = await runChild(
    new URL('./faults/quiet.child.ts', import.meta.url),
    [server.url],
  )
  // The development build says why a stream cannot be opened.
  expect(errors.replaceAll(/^tidings: .*\n/gm, '')).toBe('')
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { runs: 220, listeners: 0, resources: [], unhandled: [] },
  ])
  // It had nothing more to do, so it ended.
  expect(code).toBe(0)
})

describe('10,000 streams on one long-lived signal leave no listener on it', () => {
  // A thousand waits would take minutes.
  beforeEach(() => {
    vi.useFakeTimers()
    vi.setTimerTickMode('nextTimerAsync')
  })
  afterEach(() => void vi.useRealTimers())

  const url = 'http://x/'
  const consume = async (
    options: EventsOptions,
    onEvent?: (source: ReturnType<typeof events>) => void,
  ) => {
    const source = events(url, options)
    for await (const _ of source) onEvent?.(source)
  }
  const listen = (options: EventSourceInit, leave: (source: EventSource) => void) =>
    new Promise<void>((resolve) => {
      const source = new EventSource(url, options)
      source.onmessage = () => {
        leave(source)
        if (source.readyState === 2) resolve()
      }
      source.onerror = () => {
        if (source.readyState === 2) resolve()
      }
    })
  const answering = (answer: () => Response) => ({ fetch: async () => answer() })
  const failing = {
    fetch: async () => {
      throw new TypeError('no network')
    },
  }
  const endless = answering(() => stream([EVENTS], 'stall'))
  const ending = answering(() => stream([EVENTS]))
  const cut = answering(() => stream([':\n'], new Error('cut')))

  const lives: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
    'never iterated': async (signal) => {
      events(url, { ...endless, signal })
      events(url, { ...endless, signal })[Symbol.asyncIterator]()
    },
    complete: (signal) => consume({ ...ending, onEnd: 'complete', signal }),
    'until its last event': (signal) => consume({ ...endless, until: 'b', signal }),
    'ended by a 204': (signal) =>
      consume({ ...answering(() => new Response(null, { status: 204 })), signal }),
    'refused by the server': (signal) =>
      consume({ ...answering(() => new Response('', { status: 403 })), signal }),
    'refused by onOpen': (signal) =>
      consume({
        ...endless,
        onOpen: () => {
          throw new Error('no')
        },
        signal,
      }),
    'cut, and retries spent': (signal) =>
      consume({ ...cut, retry: { delay: 0, maxRetries: 2 }, signal }),
    'without a network': (signal) => consume({ ...failing, retry: false, signal }),
    'given up by its policy': (signal) => consume({ ...failing, retry: () => false, signal }),
    'with a policy that throws': (signal) =>
      consume({
        ...failing,
        retry: () => {
          throw new Error('no')
        },
        signal,
      }),
    'with headers that fail': (signal) =>
      consume({ headers: () => Promise.reject(new Error('no')), signal }),
    'too large': (signal) => consume({ ...endless, maxEventSize: 1, signal }),
    'not decoded': (signal) => consume({ ...endless, decode: JSON.parse, signal }),
    'closed on an event': (signal) => consume({ ...endless, signal }, (source) => source.close()),
    'reconnected, then closed': (signal) => {
      let count = 0
      return consume({ ...endless, signal }, (source) => {
        if (++count === 5) source.close()
        else source.reconnect()
      })
    },
    'left by a throw': (signal) =>
      consume({ ...endless, signal }, () => {
        throw new Error('the consumer failed')
      }),
    'closed before its response': (signal) => {
      const source = events(url, {
        fetch() {
          queueMicrotask(() => source.close())
          return new Promise(() => {})
        },
        signal,
      })
      return source[Symbol.asyncIterator]().next()
    },
    'closed in its wait': (signal) => {
      const source = events(url, {
        ...failing,
        onReconnect: () => queueMicrotask(() => source.close()),
        signal,
      })
      return source[Symbol.asyncIterator]().next()
    },
    'behind a gate that stays shut': (signal) => {
      const source = events(url, {
        ...endless,
        gate() {
          queueMicrotask(() => source.close())
          return new Promise(() => {})
        },
        signal,
      })
      return source[Symbol.asyncIterator]().next()
    },
    'released by its gate, then closed': (signal) => {
      let count = 0
      let letGo = () => {}
      return consume(
        {
          ...endless,
          gate({ release }) {
            letGo = release
          },
          signal,
        },
        (source) => {
          if (++count === 5) source.close()
          else letGo()
        },
      )
    },
    'closed while it decodes': (signal) => {
      const source = events<string>(url, {
        ...endless,
        decode() {
          queueMicrotask(() => source.close())
          return new Promise<string>(() => {})
        },
        signal,
      })
      return source[Symbol.asyncIterator]().next()
    },
    'failed by its consumer, and retries spent': (signal) =>
      consume({ ...endless, retry: { delay: 0, maxRetries: 0 }, signal }, (source) =>
        source.fail(new Error('no good')),
      ),
    'with a resume that has nothing to go on from': (signal) =>
      consume({ ...cut, json: 1, resume: () => undefined, retry: { delay: 0 }, signal }),
    'an EventSource, closed': (signal) =>
      listen({ ...endless, signal }, (source) => source.close()),
    'an EventSource, failed': (signal) =>
      listen({ ...answering(() => new Response('', { status: 500 })), signal }, () => {}),
    'an EventSource, reopened and closed': (signal) => {
      let count = 0
      return listen({ ...endless, signal }, (source) => {
        source.close()
        if (++count < 3) source.reconnect()
      })
    },
    'fetchEventSource, to its end': (signal) => fetchEventSource(url, { ...ending, signal }),
    'fetchEventSource, failed': (signal) =>
      fetchEventSource(url, {
        ...failing,
        onerror(error) {
          throw error
        },
        signal,
      }),
  }
  const each = Math.ceil(10_000 / Object.keys(lives).length)

  for (const [name, live] of Object.entries(lives)) {
    test(name, async () => {
      const { signal } = new AbortController()
      let most = 0
      for (let count = 0; count < each; count++) {
        const done = live(signal)
        most = Math.max(most, getEventListeners(signal, 'abort').length)
        await done.catch(() => {})
      }
      expect(getEventListeners(signal, 'abort')).toEqual([])
      // One at a time while it runs, and none of a stream that has not begun.
      expect(most).toBe(name === 'never iterated' ? 0 : 1)
    })
  }
})
