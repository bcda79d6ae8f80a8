import { vi } from 'vitest'

/**
 * Makes waits pass so many times as fast. The timers of Node's fetch, which have arguments, keep
 * their time, and so do timeouts, which look at a clock.
 *
 * @returns ends it: what `beforeEach` calls after the test
 */
export function hurry(times: number): () => void {
  const { setTimeout } = globalThis
  vi.stubGlobal('setTimeout', (run: () => void, delay: number, ...more: unknown[]) =>
    setTimeout(run, more.length > 0 ? delay : delay / times, ...more),
  )
  return () => {
    vi.unstubAllGlobals()
  }
}
