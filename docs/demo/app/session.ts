// Who is logged in, and the token that says so.
import { bearer } from 'tidings/auth'
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

async function request(path: string, init?: RequestInit): Promise<void> {
  const response = await fetch(path, { method: 'POST', ...init })
  if (response.status === 401) {
    Object.assign(session, { name: '', notice: 'The server no longer knows you. Log in again.' })
  }
  if (!response.ok) throw new Error(`Expected a token from ${path}, got ${response.status}`)
  const { token, expiresAt } = await response.json()
  Object.assign(session, { token, expiresAt, issuedAt: Date.now() })
  tokenIssued(expiresAt)
}

export async function login(name: string): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  await request('/api/login', { headers, body: JSON.stringify({ name }) })
  Object.assign(session, { name, notice: '' })
}

async function refresh(signal: AbortSignal): Promise<string> {
  await request('/api/refresh', { signal })
  session.refreshes += 1
  tell('token', 'The token had expired (401): got a new one, tried again at once.')
  return session.token
}

// #region token
export const headers = bearer({
  token: () => session.token,
  refresh,
})
// #endregion token

/** Asks the server to break every line of ours. Resolves with the event it broke off in. */
export async function cutTheLine(): Promise<number | undefined> {
  const response = await fetch('/api/cut', {
    method: 'POST',
    headers: { Authorization: `Bearer ${session.token}` },
  })
  return (await response.json()).midEvent
}
