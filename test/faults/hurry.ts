import { onTestFinished, vi } from 'vitest'

/**
 * Makes waits pass so many times as fast, until the test is over. The timers of Node's fetch, which
 * have arguments, keep their time, and so do timeouts, which look at a clock.
 */
export function hurry(times: number): void {
  const { setTimeout } = globalThis
  vi.stubGlobal('setTimeout', (run: () => void, delay: number, ...more: unknown[]) =>
    setTimeout(run, more.length > 0 ? delay : delay / times, ...more),
  )
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
}
