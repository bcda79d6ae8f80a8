/**
 * Meets every fault by every face and leaves it in every way, then says what is left: prints a line
 * of JSON, and has nothing more to do. `node - <url>`
 */
import { getEventListeners, setMaxListeners } from 'node:events'
import { EventSource } from '../../src/faces/event-source'
import { type EventsOptions, events } from '../../src/faces/events'
import { fetchEventSource } from '../../src/faces/fetch-event-source'

const [base = ''] = process.argv.slice(2)
const { signal } = new AbortController()
// Node warns at the eleventh listener; each stream that is open has one.
setMaxListeners(0, signal)

const unhandled: string[] = []
process.on('unhandledRejection', (reason) => unhandled.push(`${reason}`))

/** Resolves when `condition` holds: whatever it takes, it is events that bring it about. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

type Leave = (stop: () => void, at: 'started' | 'open' | 'event' | 'waiting') => unknown

/** Where a consumer stops. What never comes to that ends by itself. */
const leaves: Record<string, Leave> = {
  'at once': (stop, at) => at === 'started' && stop(),
  'when open': (stop, at) => at === 'open' && stop(),
  'after an event': (stop, at) => at === 'event' && stop(),
  'in the wait': (stop, at) => at === 'waiting' && setImmediate(stop),
  'by itself': () => {},
}
const paths = [
  'stream',
  'ended',
  'silent',
  'quiet',
  'reset',
  'cut',
  '204',
  '403',
  '503',
  'html',
  'refused',
]
const options: EventsOptions = {
  retry: { delay: 5, jitter: 0, maxRetries: 2 },
  connectTimeout: 30,
  idleTimeout: 30,
}
const urlOf = (path: string) => (path === 'refused' ? 'http://127.0.0.1:9/' : `${base}/${path}`)

async function byEvents(path: string, leave: Leave, how: 'close' | 'signal'): Promise<void> {
  const control = new AbortController()
  const own = how === 'signal' ? AbortSignal.any([signal, control.signal]) : signal
  const stop = () => (how === 'signal' ? control.abort() : stream.close())
  let failures = 0
  const stream = events(urlOf(path), {
    ...options,
    signal: own,
    onOpen: () => leave(stop, 'open'),
    onReconnect: () => {
      // A server that never fails for good is left at some time.
      if (++failures > 3) stop()
      leave(stop, 'waiting')
    },
  })
  const ended = (async () => {
    for await (const _ of stream) leave(stop, 'event')
  })().catch(() => {})
  leave(stop, 'started')
  await ended
}

async function bySource(path: string, leave: Leave): Promise<void> {
  let failures = 0
  const source = new EventSource(urlOf(path), { ...options, signal })
  const stop = () => source.close()
  source.onopen = () => leave(stop, 'open')
  source.onmessage = () => leave(stop, 'event')
  source.onerror = () => {
    if (++failures > 3) stop()
    leave(stop, 'waiting')
  }
  leave(stop, 'started')
  await until(() => source.readyState === 2)
}

async function byFunction(path: string, leave: Leave): Promise<void> {
  const control = new AbortController()
  const stop = () => control.abort()
  let failures = 0
  // It has no timeouts: the silent ones are left.
  const timer = setTimeout(stop, 60)
  const ended = fetchEventSource(urlOf(path), {
    signal: AbortSignal.any([signal, control.signal]),
    async onopen() {
      leave(stop, 'open')
    },
    onmessage: () => leave(stop, 'event'),
    onclose() {
      throw new Error('closed')
    },
    onerror(error) {
      if (++failures > 3) throw error
      leave(stop, 'waiting')
      return 5
    },
  }).catch(() => {})
  leave(stop, 'started')
  await ended
  clearTimeout(timer)
}

// What the first use of fetch leaves for good.
await fetch(`${base}/204`)
const before = process.getActiveResourcesInfo()

const runs: Promise<void>[] = []
for (const path of paths) {
  for (const leave of Object.values(leaves)) {
    runs.push(byEvents(path, leave, 'close'), byEvents(path, leave, 'signal'))
    runs.push(bySource(path, leave), byFunction(path, leave))
  }
}
await Promise.all(runs)
// Sockets close in their own time; what is not gone after three seconds is reported.
const patience = performance.now() + 3000
const left = () => {
  const expected = [...before]
  return process.getActiveResourcesInfo().filter((name) => {
    const index = expected.indexOf(name)
    if (index >= 0) expected.splice(index, 1)
    return index < 0
  })
}
await until(() => left().length === 0 || performance.now() > patience)
console.log(
  JSON.stringify({
    runs: runs.length,
    listeners: getEventListeners(signal, 'abort').length,
    resources: left(),
    unhandled,
  }),
)
