// Makes the test's process a page: imported first, since frameworks look for one as they load.
import { afterAll } from 'vitest'
import { builtinEnvironments } from 'vitest/runtime'

/** What of a page Node does as well, and over real sockets: happy-dom's own would not stream. */
const NODES_OWN = [
  'fetch',
  'Request',
  'Response',
  'Headers',
  'AbortController',
  'AbortSignal',
  'URL',
  'URLSearchParams',
  'FormData',
  'Event',
  'EventTarget',
  'MessageEvent',
] as const

const own = NODES_OWN.map((name) => [name, globalThis[name]] as const)
const { teardown } = await builtinEnvironments['happy-dom'].setup(globalThis, {})
for (const [name, value] of own) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
}
afterAll(() => teardown(globalThis))
