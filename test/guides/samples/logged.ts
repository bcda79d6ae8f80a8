// #region
/** A `fetch` that tells what is sent and what comes back: names of headers, never their values. */
export async function logged(url: string, init: RequestInit): Promise<Response> {
  const { origin, pathname } = new URL(url) // A query may hold a secret.
  const names = [...new Headers(init.headers).keys()].join(', ')
  const started = performance.now()
  const time = () => `${Math.round(performance.now() - started)} ms`
  console.debug('→', init.method, origin + pathname, names)
  try {
    const response = await fetch(url, init)
    console.debug('←', response.status, response.headers.get('content-type'), time())
    return response
  } catch (error) {
    console.debug('✗', (error as Error).name, time())
    throw error
  }
}
// #endregion
