import { spawn } from 'node:child_process'
import { getEventListeners, once } from 'node:events'
import type { RequestListener } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { EventSource } from '../../src/faces/event-source'
import { type EventStream, type EventsOptions, events } from '../../src/faces/events'
import { fetchEventSource } from '../../src/faces/fetch-event-source'
import type { Attempt } from '../../src/transport/request'
import { stream } from '../support/response'
import { serve } from '../support/server'

const unhandled: unknown[] = []
const note = (reason: unknown) => unhandled.push(reason)

beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', note)
})

afterEach(async () => {
  await new Promise(setImmediate)
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

/** The options that a stage needs; each face gives them the names it knows them by. */
type Options = Pick<
  EventsOptions,
  'connectTimeout' | 'fetch' | 'headers' | 'idleTimeout' | 'onOpen' | 'onReconnect' | 'retry'
>

/** A running stream, under whatever face. */
interface Run {
  /** What its end came to. */
  readonly ended: Promise<unknown>
  readonly ways: Readonly<Record<string, () => unknown>>
}

type Face = (
  url: string,
  signal: AbortSignal,
  options: Options,
  onEvent: (data: string) => void,
) => Run

const DONE = 'done'

const faces: Record<string, Face> = {
  'events()': (url, signal, options, onEvent) => {
    const source = events(url, { ...options, signal })
    const iterator = source[Symbol.asyncIterator]()
    const read = async () => {
      for (let result = await iterator.next(); !result.done; result = await iterator.next()) {
        onEvent(result.value.data)
      }
      return DONE
    }
    return {
      ended: read().catch((reason) => reason),
      ways: { 'close()': () => source.close(), 'return()': () => iterator.return?.() },
    }
  },
  EventSource: (url, signal, options, onEvent) => {
    const source = new EventSource(url, { ...options, signal })
    source.onmessage = ({ data }) => onEvent(data)
    const ended = (async () => {
      while (source.readyState !== EventSource.CLOSED) await new Promise(setImmediate)
      // An error event would be one too many.
      source.onerror = () => onEvent('error')
      return DONE
    })()
    return { ended, ways: { 'close()': () => source.close() } }
  },
  'fetchEventSource()': (url, signal, options, onEvent) => {
    const { fetch, headers, onOpen, onReconnect, retry } = options
    const ended = fetchEventSource(url, {
      headers,
      fetch: fetch as typeof globalThis.fetch | undefined,
      signal,
      onmessage: ({ data }) => onEvent(data),
      onerror: (error) => {
        onReconnect?.({ error, delay: 0, failures: 1, attempt: 1 })
        return typeof retry === 'function' ? (retry({} as never) as Promise<number>) : 1_000_000
      },
      ...(onOpen && { onopen: async (response) => void (await onOpen(response)) }),
    })
    return { ended: ended.then((value) => value ?? DONE), ways: {} }
  },
}

/** A point in a stream's life: what the server does, and how the client tells that it is there. */
interface Stage extends Options {
  readonly listener: RequestListener
  readonly onStart?: () => void
  readonly onEvent?: () => void
  /** The events that come before the stop. */
  readonly told?: string[]
}

const open: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('data: 1\n\ndata: 2\n\ndata: 3\n\n')
}
const unavailable: RequestListener = (_, response) => {
  response.writeHead(503, { connection: 'close' }).end()
}
/** For a callback that never answers. */
const hangs = (stop: () => void) => () => {
  setImmediate(stop)
  return new Promise<never>(() => {})
}

const stages: Record<string, (stop: () => void) => Stage> = {
  'before the request is made': (stop) => ({ listener: open, onStart: stop }),
  'while the headers function hangs': (stop) => ({ listener: open, headers: hangs(stop) }),
  'while the server gives no headers': (stop) => ({ listener: () => stop() }),
  'while an error page is being read': (stop) => ({
    listener: (_, response) => response.writeHead(500).write('half a p'),
    fetch: async (url, init) => {
      const response = await fetch(url, init)
      setImmediate(stop)
      return response
    },
  }),
  'while onOpen hangs': (stop) => ({ listener: open, onOpen: hangs(stop) }),
  'while the body is open': (stop) => ({
    listener: open,
    onEvent: () => setImmediate(stop),
    told: ['1', '2', '3'],
  }),
  'from a handler, in the middle of a batch': (stop) => ({
    listener: open,
    onEvent: stop,
    told: ['1'],
  }),
  'in the wait before a retry': (stop) => ({
    listener: unavailable,
    retry: { delay: 1_000_000 },
    onReconnect: () => setImmediate(stop),
  }),
  'from the observer of a retry': (stop) => ({
    listener: unavailable,
    retry: { delay: 1_000_000 },
    onReconnect: stop,
  }),
  'while a retry policy hangs': (stop) => ({ listener: unavailable, retry: hangs(stop) }),
}

/** Tells how many timers were made that neither fired nor were cleared; undici's own hold nothing up. */
function watchTimers(): () => number {
  const live = new Set<NodeJS.Timeout>()
  const { setTimeout, clearTimeout } = globalThis
  vi.stubGlobal('setTimeout', (run: () => void, delay: number) => {
    const timer = setTimeout(() => {
      live.delete(timer)
      run()
    }, delay)
    live.add(timer)
    return timer
  })
  vi.stubGlobal('clearTimeout', (timer: NodeJS.Timeout) => {
    live.delete(timer)
    clearTimeout(timer)
  })
  onTestFinished(() => void vi.unstubAllGlobals())
  return () => [...live].filter((timer) => timer.hasRef()).length
}

describe.each(Object.entries(stages))('%s', (_, makeStage) => {
  const rows: [way: string, face: string][] = [
    ['abort()', 'events()'],
    ['close()', 'events()'],
    ['return()', 'events()'],
    ['abort()', 'EventSource'],
    ['close()', 'EventSource'],
    ['abort()', 'fetchEventSource()'],
  ]
  test.each(rows)('%s stops %s at once and leaves nothing behind', async (way, name) => {
    const control = new AbortController()
    const reason = new Error('enough')
    const seen: string[] = []
    let run: Run | undefined
    let stoppedAt = Number.NaN
    const { listener, onStart, onEvent, told, ...options } = makeStage(() => {
      stoppedAt = performance.now()
      if (way === 'abort()') control.abort(reason)
      else run?.ways[way]?.()
    })
    const server = await serve(listener)
    const timers = watchTimers()
    run = (faces[name] as Face)(
      server.url,
      control.signal,
      { connectTimeout: 1_000_000, idleTimeout: 1_000_000, ...options },
      (data) => {
        seen.push(data)
        onEvent?.()
      },
    )

    onStart?.()
    const outcome = await run.ended
    expect(performance.now() - stoppedAt).toBeLessThan(500)
    expect(outcome).toBe(way === 'abort()' && name === 'events()' ? reason : DONE)
    expect(timers()).toBe(0)
    expect(getEventListeners(control.signal, 'abort')).toEqual([])
    await server.socketsToBe(0)
    expect(seen).toEqual(told ?? [])
  })
})

describe('a signal that is aborted already', () => {
  test.each(Object.keys(faces))('costs %s no request', async (name) => {
    const server = await serve(open)
    const reason = new Error('too late')
    const fetch = vi.fn(globalThis.fetch)
    const headers = vi.fn(() => ({}))
    const { ended } = (faces[name] as Face)(
      server.url,
      AbortSignal.abort(reason),
      { fetch, headers },
      () => {},
    )
    expect(await ended).toBe(name === 'events()' ? reason : DONE)
    expect(headers).not.toHaveBeenCalled()
    expect(fetch).not.toHaveBeenCalled()
    expect(server.sockets.size).toBe(0)
  })

  test.each(['a text', 0, null, Symbol('reason')])(
    'throws its reason untouched: %s',
    async (reason) => {
      const next = events('http://test/', { signal: AbortSignal.abort(reason) })
        [Symbol.asyncIterator]()
        .next()
      expect(await next.catch((thrown) => [thrown])).toEqual([reason])
    },
  )
})

describe('leaving the loop', () => {
  const ways: [string, (source: EventStream) => Promise<void>][] = [
    [
      'break',
      async (source) => {
        for await (const _ of source) break
      },
    ],
    [
      'a throw in its body',
      async (source) => {
        const body = async () => {
          for await (const _ of source) throw new Error('in the body')
        }
        await expect(body()).rejects.toThrow('in the body')
      },
    ],
    [
      'break out of batches()',
      async (source) => {
        for await (const _ of source.batches()) break
      },
    ],
    [
      'the end of an await using block',
      async (source) => {
        await source[Symbol.asyncIterator]().next()
        await source[Symbol.asyncDispose]()
      },
    ],
  ]
  test.each(ways)('by %s closes the socket', async (_, leave) => {
    const server = await serve(open)
    const { signal } = new AbortController()
    const timers = watchTimers()
    const source = events(server.url, { signal, idleTimeout: 1_000_000 })
    await leave(source)
    expect([source.status, source.response]).toEqual(['closed', undefined])
    expect(timers()).toBe(0)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await server.socketsToBe(0)
  })
})

describe('what fails after the stop', () => {
  const failed = () => Promise.reject(new TypeError('fetch failed'))
  const answer = (cancel: () => Promise<never>, init: ResponseInit) =>
    new Response(new ReadableStream({ cancel }), init)
  const headers = { 'content-type': 'text/event-stream' }
  /** Options whose call of `late` shows that the stage is reached. */
  const rows: [string, (late: () => Promise<never>, reached: () => void) => EventsOptions][] = [
    ['the headers function', (late) => ({ headers: late })],
    ['a fetch that ignores its signal', (late) => ({ fetch: late })],
    ['onOpen', (late) => ({ fetch: async () => stream([], 'stall'), onOpen: late })],
    ['the retry policy', (late) => ({ fetch: failed, retry: late })],
    [
      'the cancellation of the body',
      (late, reached) => ({ fetch: async () => answer(late, { headers }), onOpen: reached }),
    ],
    [
      'the cancellation of an error page',
      (late, reached) => ({
        fetch: async () => {
          setImmediate(reached)
          return answer(late, { status: 500 })
        },
      }),
    ],
  ]
  // The check after each test is for unhandled rejections.
  test.each(rows)('%s: nobody hears of it', async (_, options) => {
    let fail: (reason: Error) => void = () => {}
    const failing = new Promise<never>((_, reject) => {
      fail = reject
    })
    let reached: () => void = () => {}
    const stage = new Promise<void>((resolve) => {
      reached = resolve
    })
    const late = () => {
      reached()
      return failing
    }
    const source = events('http://test/', options(late, reached))
    const next = source[Symbol.asyncIterator]().next()
    await stage
    source.close()
    expect(await next).toEqual({ done: true, value: undefined })
    fail(new Error('late'))
  })
})

test('the signal of an attempt tells its functions that they need not go on', async () => {
  const control = new AbortController()
  let told: unknown
  const headers = ({ signal }: Attempt) => {
    signal.addEventListener('abort', () => {
      told = signal.reason
    })
    return hangs(() => control.abort('enough'))()
  }
  const next = events('http://test/', { headers, signal: control.signal })
    [Symbol.asyncIterator]()
    .next()
  await expect(next).rejects.toBe('enough')
  expect(told).toBe('enough')
})

test('the reason that it gives is one that can be printed, whatever has ended the attempt', async () => {
  for (const way of ['close', 'reconnect', 'fail'] as const) {
    const reasons: unknown[] = []
    const source = events('http://test/', {
      headers: ({ signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        return new Promise<never>(() => {})
      },
    })
    const next = source[Symbol.asyncIterator]().next()
    await new Promise(setImmediate)
    source[way]('no good')
    expect(`${reasons[0]}`).toMatch(way === 'fail' ? /SseError/ : /AbortError/)
    source.close()
    await next
  }
})

test('a thousand streams opened and stopped on one long-lived signal leave no listener on it', async () => {
  const server = await serve(open)
  const control = new AbortController()
  const warned = vi.fn()
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))
  const openOne = (i: number) =>
    new Promise<void>((resolve) => {
      const [name, way] = [
        ['events()', 'close()'],
        ['events()', 'return()'],
        ['EventSource', 'close()'],
      ][i % 3] as [string, string]
      const run = (faces[name] as Face)(server.url, control.signal, {}, () => {
        run.ways[way]?.()
        resolve(run.ended as Promise<void>)
      })
    })
  // Node warns of more than ten at a time.
  for (let i = 0; i < 1000; i += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, j) => openOne(i + j)))
  }
  expect(getEventListeners(control.signal, 'abort')).toEqual([])
  await server.socketsToBe(0)
  await new Promise(setImmediate)
  expect(warned).not.toHaveBeenCalled()
})

describe('a Node process whose streams were stopped', () => {
  const script = fileURLToPath(new URL('../fixtures/stop.mjs', import.meta.url))

  /** Runs the script to its own end. */
  async function run(stage: string, listener: RequestListener) {
    const server = await serve(listener)
    const child = spawn(process.execPath, [script, stage, server.url], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let [output, settledAt] = ['', Number.NaN]
    child.stdout.on('data', (text) => {
      output += text
      settledAt = performance.now()
    })
    child.stderr.on('data', (text) => {
      output += text
    })
    const [code] = await once(child, 'close')
    return { code, output, lingered: performance.now() - settledAt }
  }

  const rows: [stage: string, listener: RequestListener][] = [
    ['before the request', open],
    ['headers', open],
    ['silence', () => {}],
    ['page', (_, response) => response.writeHead(500).write('half a p')],
    ['onOpen', open],
    ['open', open],
    ['batch', open],
    ['wait', unavailable],
    ['policy', unavailable],
  ]
  test.each(rows)('exits by itself: %s', async (stage, listener) => {
    const { code, output, lingered } = await run(stage, listener)
    expect(output).toBe('[]\n')
    expect(code).toBe(0)
    expect(lingered).toBeLessThan(1000)
  })

  test('is kept alive by a wait that was not stopped', async () => {
    let requests = 0
    const { code, output } = await run('alive', (request, response) => {
      // Each of the three faces waits once.
      if (++requests <= 3) return unavailable(request, response as never)
      response.writeHead(200, { 'content-type': 'text/event-stream', connection: 'close' })
      response.end('data: last\n\n')
    })
    expect(output).toBe('[]\n')
    expect(code).toBe(0)
    expect(requests).toBe(6)
  })
})
