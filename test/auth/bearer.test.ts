import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type BearerOptions, bearer } from '../../src/auth/bearer'
import { SseError } from '../../src/errors'
import { events } from '../../src/faces/events'
import { stream } from '../support/response'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A server that knows one good token at a time, and writes down what it is asked. */
function server(good: string) {
  const seen: string[] = []
  const state = { good }
  const fetch = async (_url: string, init: RequestInit) => {
    const authorization = new Headers(init.headers).get('authorization')
    seen.push(`${authorization}`)
    return authorization === `Bearer ${state.good}`
      ? stream(['id: 1\ndata: hello\n\n'])
      : new Response('who are you?', { status: 401 })
  }
  return { fetch, seen, state }
}

const first = async (stream: AsyncIterable<{ data: string }>) => {
  for await (const { data } of stream) return data
}

test('the token goes into the Authorization header', async () => {
  const { fetch, seen } = server('t1')
  const headers = bearer({ token: 't1', refresh: async () => 't2' })
  expect(await first(events('http://x/', { headers, fetch }))).toBe('hello')
  expect(seen).toEqual(['Bearer t1'])
})

test('a 401 refreshes the token once and resumes', async () => {
  const { fetch, seen } = server('t2')
  const headers = bearer({ token: 't1', refresh: async () => 't2' })
  expect(await first(events('http://x/', { headers, fetch }))).toBe('hello')
  expect(seen).toEqual(['Bearer t1', 'Bearer t2'])
})

test('the place in the stream survives the refresh', async () => {
  const asked: string[] = []
  const good = ['t1', 't2']
  const fetch = async (_url: string, init: RequestInit) => {
    const headers = new Headers(init.headers)
    asked.push(`${headers.get('authorization')} ${headers.get('last-event-id')}`)
    if (headers.get('authorization') !== `Bearer ${good[0]}`)
      return new Response('', { status: 401 })
    // The token expires with the connection.
    good.shift()
    const id = Number(headers.get('last-event-id')) + 1
    return stream([`id: ${id}\ndata: ${id}\n\n`])
  }
  const headers = bearer({ token: 't1', refresh: async () => 't2' })
  const told: string[] = []
  const reading = (async () => {
    for await (const { data } of events('http://x/', { headers, fetch })) {
      told.push(data)
      if (data === '2') break
    }
  })()
  await vi.advanceTimersByTimeAsync(2000)
  await reading
  expect(told).toEqual(['1', '2'])
  expect(asked).toEqual(['Bearer t1 null', 'Bearer t1 1', 'Bearer t2 1'])
})

test('without a token the first request waits for a refresh', async () => {
  const { fetch, seen } = server('t1')
  const headers = bearer({ refresh: async () => 't1' })
  expect(await first(events('http://x/', { headers, fetch }))).toBe('hello')
  expect(seen).toEqual(['Bearer t1'])
})

test('1,000 streams that get a 401 at once cause one refresh', async () => {
  const { fetch, seen } = server('t2')
  const refresh = vi.fn(async () => 't2')
  const headers = bearer({ token: 't1', refresh })
  const streams = Array.from({ length: 1000 }, () => first(events('http://x/', { headers, fetch })))
  expect(new Set(await Promise.all(streams))).toEqual(new Set(['hello']))
  expect(refresh).toHaveBeenCalledTimes(1)
  expect(seen.filter((token) => token === 'Bearer t2')).toHaveLength(1000)
})

test('a 401 that comes late, for the token before, does not refresh again', async () => {
  const refresh = vi.fn(async () => 't2')
  const headers = bearer({ token: 't1', refresh })
  const late = new AbortController()
  const soon = new AbortController()
  const signal = new AbortController().signal
  const error = new SseError('status', '', { status: 401 })
  await headers({ error: undefined, signal: late.signal })
  await headers({ error: undefined, signal: soon.signal })
  soon.abort()
  expect(await headers({ error, signal })).toEqual({ Authorization: 'Bearer t2' })
  late.abort()
  expect(await headers({ error, signal })).toEqual({ Authorization: 'Bearer t2' })
  expect(refresh).toHaveBeenCalledTimes(1)
})

test('a replica that learns of the new token late is asked once more, after a wait', async () => {
  const { fetch, seen, state } = server('none')
  const headers = bearer({ token: 't1', refresh: async () => 't2' })
  const found = first(events('http://x/', { headers, fetch }))
  await vi.advanceTimersByTimeAsync(999)
  expect(seen).toEqual(['Bearer t1', 'Bearer t2'])
  state.good = 't2'
  await vi.advanceTimersByTimeAsync(1001)
  expect(await found).toBe('hello')
  expect(seen).toEqual(['Bearer t1', 'Bearer t2', 'Bearer t2'])
})

test('the new token is refused twice: fatal, with the 401', async () => {
  const { fetch, seen } = server('none')
  const headers = bearer({ token: 't1', refresh: async () => 't2' })
  const failed = expect(first(events('http://x/', { headers, fetch }))).rejects.toMatchObject({
    code: 'status',
    status: 401,
  })
  await vi.advanceTimersByTimeAsync(5000)
  await failed
  expect(seen).toEqual(['Bearer t1', 'Bearer t2', 'Bearer t2'])
})

const expiries: [string, Partial<BearerOptions>][] = [
  ['milliseconds', { expiresAt: 10_000 }],
  ['a Date', { expiresAt: new Date(10_000) }],
  ['a function of the token', { expiresAt: (token) => (token === 't1' ? 10_000 : 99_000) }],
]
test.each(expiries)('a token about to expire, by %s, is refreshed ahead', async (_, options) => {
  vi.setSystemTime(4_999)
  const refresh = vi.fn(async () => ({ token: 't2', expiresAt: 20_000 }))
  const headers = bearer({ token: 't1', refresh, ...options })
  const attempt = { error: undefined, signal: new AbortController().signal }
  expect(await headers(attempt)).toEqual({ Authorization: 'Bearer t1' })
  vi.setSystemTime(5_000)
  expect(await headers(attempt)).toEqual({ Authorization: 'Bearer t2' })
  vi.setSystemTime(14_999)
  expect(await headers(attempt)).toEqual({ Authorization: 'Bearer t2' })
  vi.setSystemTime(15_000)
  await headers(attempt)
  expect(refresh).toHaveBeenCalledTimes(2)
})

test('a token that the app keeps is read at every attempt, and logging out forgets it', async () => {
  let kept: string | undefined = 't1'
  const refresh = vi.fn(async () => {
    kept = 't3'
    return 't3'
  })
  const headers = bearer({ token: () => kept, refresh })
  const attempt = { error: undefined, signal: new AbortController().signal }
  expect(await headers(attempt)).toEqual({ Authorization: 'Bearer t1' })
  kept = 't2'
  expect(await headers(attempt)).toEqual({ Authorization: 'Bearer t2' })
  kept = undefined
  expect(await headers(attempt)).toEqual({ Authorization: 'Bearer t3' })
  expect(await headers(attempt)).toEqual({ Authorization: 'Bearer t3' })
  expect(refresh).toHaveBeenCalledTimes(1)
})

test('a refresh that fails is the cause of the error, and the next stream tries again', async () => {
  const { fetch } = server('t2')
  const broken = Object.assign(new Error('the login has expired'), { status: 403 })
  const refresh = vi.fn(async () => 't2').mockRejectedValueOnce(broken)
  const headers = bearer({ token: 't1', refresh })
  const failed = first(events('http://x/', { headers, fetch }))
  await expect(failed).rejects.toMatchObject({ code: 'auth', cause: broken })
  expect(await first(events('http://x/', { headers, fetch }))).toBe('hello')
})

test('a refresh that fails in passing is asked again, after a wait', async () => {
  const { fetch, seen } = server('t2')
  const refresh = vi.fn(async () => 't2').mockRejectedValueOnce(new Error('refresh failed: 502'))
  const headers = bearer({ token: 't1', refresh })
  const found = first(events('http://x/', { headers, fetch }))
  await vi.advanceTimersByTimeAsync(2000)
  expect(await found).toBe('hello')
  expect([seen, refresh.mock.calls.length]).toEqual([['Bearer t1', 'Bearer t2'], 2])
})

test('a refresh that hangs three times ends in an error that says so', async () => {
  const headers = bearer({ refresh: () => new Promise(() => {}), timeout: 1000 })
  const failed = expect(first(events('http://x/', { headers }))).rejects.toMatchObject({
    code: 'auth',
    cause: { message: 'Expected refresh to settle within 1000 ms, got nothing' },
  })
  await vi.advanceTimersByTimeAsync(9000)
  await failed
})

test('an abort does not wait for the refresh, which goes on as long as anybody waits', async () => {
  let seen: AbortSignal | undefined
  const refresh = (signal: AbortSignal) => {
    seen = signal
    return new Promise<string>(() => {})
  }
  const headers = bearer({ refresh })
  const [one, two] = [new AbortController(), new AbortController()]
  const streams = [one, two].map(({ signal }) => first(events('http://x/', { headers, signal })))
  const settled = Promise.allSettled(streams)
  await vi.advanceTimersByTimeAsync(0)
  one.abort('one')
  await expect(streams[0]).rejects.toBe('one')
  expect(seen?.aborted).toBe(false)
  two.abort('two')
  await settled
  expect(seen?.aborted).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})

test.each<[unknown, string]>([
  [{}, 'Expected refresh to be a function, got null'],
  [{ refresh: async () => 't', leeway: -1 }, 'Expected leeway'],
  [{ refresh: async () => 't', timeout: '1' }, 'Expected timeout to be a number, got string'],
])('bad options %o are refused at once', (options, message) => {
  expect(() => bearer(options as BearerOptions)).toThrow(message)
})

test.each([undefined, '', 7, { token: '' }])(
  'a refresh that gives %o is an error',
  async (result) => {
    const headers = bearer({ refresh: async () => result as string })
    await expect(first(events('http://x/', { headers }))).rejects.toMatchObject({
      code: 'auth',
      cause: { message: 'Expected refresh to give a token, got none' },
    })
  },
)

test('a token that HTTP cannot carry appears in no message', async () => {
  const headers = bearer({ token: 'ge\nheim', refresh: async () => 't' })
  const error = await first(events('http://x/', { headers })).catch((error) => error)
  expect(error).toBeInstanceOf(TypeError)
  expect(`${error.stack}${error.cause}`).not.toContain('heim')
})

test('one that comes as the last waiter leaves gets a refresh of its own', async () => {
  const refresh = vi.fn((signal: AbortSignal) => {
    return new Promise<string>((resolve) => {
      signal.addEventListener('abort', () => resolve('too late'))
      if (refresh.mock.calls.length > 1) resolve('t2')
    })
  })
  const headers = bearer({ refresh })
  const first = new AbortController()
  const left = headers({ error: undefined, signal: first.signal }).catch((error) => error)
  first.abort('left')
  const { signal } = new AbortController()
  const came = Promise.resolve().then(() => headers({ error: undefined, signal }))
  expect(await left).toBe('left')
  expect(await came).toEqual({ Authorization: 'Bearer t2' })
})
