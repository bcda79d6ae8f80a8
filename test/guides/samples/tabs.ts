// #region
/** One refresh for all tabs: the lock lets one in at a time, and the next finds its token. */
export async function refresh(signal: AbortSignal): Promise<string> {
  const expired = localStorage.getItem('token')
  return navigator.locks.request('refresh', { signal }, async () => {
    const stored = localStorage.getItem('token')
    if (stored && stored !== expired) return stored
    const response = await fetch('/api/refresh', { method: 'POST', signal })
    if (!response.ok) throw new Error('Log in again')
    const { token } = await response.json()
    localStorage.setItem('token', token)
    return token
  })
}
// #endregion
