import { abortable, sleep } from './abort'

/** When the page lets a connection be. */
export interface GateOptions {
  /**
   * Closes the connection while the page is hidden, keeps the place, and resumes when it is visible.
   * A request that is not safe to repeat stays open. Default: `false`.
   */
  pauseWhenHidden?: boolean
  /**
   * Where the browser says that it is offline, waits until it is online, and then connects at once,
   * in place of attempts that must fail. Default: `true`.
   */
  waitForOnline?: boolean
}

/** Why a gate interrupts: it has closed, or the network came or went and a wait is pointless. */
type Interruption = 'closed' | 'network'

/**
 * Resolves when a connection may be made, with whether that had to be waited for; from then until
 * the signal is aborted, it calls `interrupt`.
 */
export type Gate = (signal: AbortSignal, interrupt: (why: Interruption) => void) => Promise<boolean>

/**
 * The gate of a page, or of a worker of one; elsewhere it is always open.
 *
 * @param signal - of the session
 */
export function pageGate(
  { pauseWhenHidden, waitForOnline = true }: GateOptions,
  signal: AbortSignal,
): Gate {
  const { document } = globalThis
  const listen = globalThis.addEventListener?.bind(globalThis)
  const unlisten = globalThis.removeEventListener?.bind(globalThis)
  /** In the back/forward cache, which takes no page that holds a connection. */
  let frozen = false
  const turn = ({ type, persisted }: PageTransitionEvent) => {
    frozen = persisted && type === 'pagehide'
  }
  if (document && !signal.aborted) {
    // Before those of an attempt, which look at what this has noted.
    listen?.('pagehide', turn, { signal })
    listen?.('pageshow', turn, { signal })
  }
  return (attempt, interrupt) =>
    new Promise((resolve) => {
      if (attempt.aborted) return resolve(false)
      const { navigator } = globalThis
      let open = false
      const look = ({ type }: Partial<Event>) => {
        const closed = frozen || (pauseWhenHidden && document?.hidden)
        if (open) {
          if (closed) interrupt('closed')
          else if (waitForOnline && type?.endsWith('line')) interrupt('network')
        } else if (!closed && (!waitForOnline || navigator?.onLine !== false)) {
          open = true
          resolve(!!type)
        }
      }
      const inPage = document || navigator?.onLine !== undefined
      const types = inPage ? ['online', 'offline', 'pagehide', 'pageshow'] : []
      document?.addEventListener('visibilitychange', look)
      for (const type of types) listen?.(type, look)
      // One for them all: where Node emulates a page it warns of many on one signal.
      attempt.addEventListener('abort', () => {
        document?.removeEventListener('visibilitychange', look)
        for (const type of types) unlisten?.(type, look)
      })
      look({})
    })
}

/**
 * Resolves when an attempt's wait is over and the gate is open; from then on `interrupt` is called
 * when the gate closes.
 *
 * @param wait - milliseconds, and whether the server asked for them: then they are waited for
 * whatever the page does; otherwise a change of the network cuts them short
 * @throws the signal's reason
 */
export async function admit(
  gate: Gate,
  signal: AbortSignal,
  interrupt: () => void,
  wait: { delay: number; asked: boolean } | undefined,
): Promise<void> {
  let waiting = false
  const pass = () =>
    abortable(
      signal,
      gate(signal, (why) => {
        if (waiting === (why === 'network')) interrupt()
      }),
    )
  if (wait?.asked) await sleep(wait.delay, signal)
  // Held up by the page, an attempt need not wait for a network that is back.
  const held = await pass()
  if (!wait || wait.asked || held) return
  waiting = true
  await sleep(wait.delay, signal)
  waiting = false
  await pass()
}
