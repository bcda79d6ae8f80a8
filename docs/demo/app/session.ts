// Who is logged in, and the token that says so.
import type { Attempt } from 'tidings'
import { reactive } from 'vue'
import { tell, tokenIssued } from './trace'

export const session = reactive({
  /** Empty until logged in. */
  name: '',
  token: '',
  issuedAt: 0,
  expiresAt: 0,
  refreshes: 0,
  /** Why there is a login form again. */
  notice: '',
})

async function request(path: string, body?: unknown): Promise<void> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body ?? {}),
  })
  if (response.status === 401) {
    Object.assign(session, { name: '', notice: 'The server no longer knows you. Log in again.' })
  }
  if (!response.ok) throw new Error(`Expected a token from ${path}, got ${response.status}`)
  const { token, expiresAt } = await response.json()
  Object.assign(session, { token, expiresAt, issuedAt: Date.now() })
  tokenIssued(expiresAt)
}

export async function login(name: string): Promise<void> {
  await request('/api/login', { name })
  Object.assign(session, { name, notice: '' })
}

let refreshing: Promise<void> | undefined

/** Buys a new token with the cookie. Whoever asks meanwhile shares the one request. */
export function refresh(): Promise<void> {
  refreshing ??= request('/api/refresh')
    .then(() => {
      session.refreshes += 1
      tell('token', 'The token had expired (401): got a new one, tried again at once.')
    })
    .finally(() => {
      refreshing = undefined
    })
  return refreshing
}

// #region token
export async function bearer({ error }: Attempt) {
  if (error?.status === 401) await refresh()
  return { Authorization: `Bearer ${session.token}` }
}
// #endregion

/** Asks the server to break every line of ours. Resolves with the event it broke off in. */
export async function cutTheLine(): Promise<number | undefined> {
  if (session.expiresAt <= Date.now()) await refresh()
  const headers = { Authorization: `Bearer ${session.token}` }
  const response = await fetch('/api/cut', { method: 'POST', headers })
  return (await response.json()).midEvent
}
