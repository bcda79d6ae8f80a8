import { afterEach, expect, test, vi } from 'vitest'
import { bearer } from '../../src/auth/bearer'
import { events } from '../../src/index'
import { stream } from '../support/response'
import { refresh } from './samples/tabs'

afterEach(() => {
  vi.unstubAllGlobals()
})

/** What tabs of one origin share: the storage, and locks that let one in at a time. */
function origin(token: string) {
  const stored = new Map([['token', token]])
  let queue: Promise<unknown> = Promise.resolve()
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
  })
  vi.stubGlobal('navigator', {
    locks: {
      request: (_name: string, _options: object, work: () => unknown) => {
        const result = queue.then(work)
        queue = result.catch(() => {})
        return result
      },
    },
  })
}

test('two tabs with an expired token refresh it once, and both go on', async () => {
  origin('old')
  const requests: string[] = []
  const fetch = async (url: string, init?: RequestInit) => {
    const token = new Headers(init?.headers).get('authorization')
    requests.push(`${url} ${token}`)
    if (url === '/api/refresh') return Response.json({ token: 'new' })
    return token === 'Bearer new' ? stream(['data: hello\n\n']) : new Response('', { status: 401 })
  }
  vi.stubGlobal('fetch', fetch)
  const tab = async () => {
    const headers = bearer({ token: () => localStorage.getItem('token') ?? undefined, refresh })
    for await (const { data } of events('http://api/', { headers, fetch })) return data
  }
  expect(await Promise.all([tab(), tab()])).toEqual(['hello', 'hello'])
  expect(requests.filter((request) => request.startsWith('/api/refresh'))).toHaveLength(1)
  expect(requests.filter((request) => request.endsWith('Bearer new'))).toHaveLength(2)
})

test('a cookie session: a 401 lets the headers function renew it, and the stream goes on', async () => {
  const requests: string[] = []
  let alive = false
  const fetch = async (url: string) => {
    requests.push(url)
    return alive ? stream(['data: hello\n\n']) : new Response('', { status: 401 })
  }
  const stories = events('http://api/', {
    fetch,
    headers: async ({ error }) => {
      if (error?.status === 401) {
        requests.push('refresh')
        alive = true
      }
      return {}
    },
  })
  for await (const { data } of stories) {
    expect(data).toBe('hello')
    break
  }
  expect(requests).toEqual(['http://api/', 'refresh', 'http://api/'])
})
