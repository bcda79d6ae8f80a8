import { ignore, type Lifetime } from '../abort'

/** Milliseconds between looks at the clock. */
const LOOK = 10_000
/** Milliseconds without a look that only sleep explains: a hidden page gets one a minute. */
const SLEEP = 90_000
/** Milliseconds: Firefox and Safari break a page's connections before it is gone. */
const BELIEVED = 100

/** What a session hears of the machine and the page it runs on. */
export interface Passenger {
  /** The machine has slept. What was pending before `time` will not be answered. */
  _wake(time: number): void
  /** The page is put into the back/forward cache, which takes none that holds a connection. */
  _leave(): void
  /** The network is back. */
  _online(): void
}

const passengers = new Set<Passenger>()
let timer: ReturnType<typeof setInterval> | undefined
let looked = 0
let back: Promise<void> | undefined
let arrive = ignore

/** One timer and one set of listeners, for all sessions. */
export function board(passenger: Passenger): void {
  if (passengers.size === 0) {
    looked = Date.now()
    timer = setInterval(look, LOOK)
    // Node's: it must not keep a process alive.
    ;(timer as { unref?: () => void }).unref?.()
    listen('add')
  }
  passengers.add(passenger)
}

export function alight(passenger: Passenger): void {
  if (!passengers.delete(passenger) || passengers.size > 0) return
  clearInterval(timer)
  listen('remove')
  show()
}

/**
 * Waits until a lost connection can be believed, and until the page is there.
 *
 * @param lost - a connection has been lost
 */
export async function settled(life: Lifetime, lost: boolean): Promise<void> {
  if (lost && globalThis.document) {
    await life._race(new Promise((resolve) => setTimeout(resolve, BELIEVED)))
  }
  while (back) await life._race(back)
}

function listen(what: 'add' | 'remove'): void {
  const method = `${what}EventListener` as const
  const { document } = globalThis
  // A worker of a page hears of the network, and of nothing else here.
  const heard = { online: network, ...(document && { pagehide: hide, pageshow: show }) }
  for (const [type, listener] of Object.entries(heard)) {
    globalThis[method]?.(type, listener as EventListener)
  }
  document?.[method]('visibilitychange', look)
}

function look(): void {
  const before = looked + LOOK
  looked = Date.now()
  if (looked - before > SLEEP - LOOK) for (const passenger of passengers) passenger._wake(before)
}

function hide({ persisted }: Event & { persisted?: boolean }): void {
  back ??= new Promise((resolve) => {
    arrive = resolve
  })
  if (persisted) for (const passenger of passengers) passenger._leave()
}

function show(): void {
  back = undefined
  arrive()
}

function network(): void {
  for (const passenger of passengers) passenger._online()
}
