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
export type Interruption = 'closed' | 'network'

/**
 * Resolves when a connection may be made, with whether that had to be waited for; from then until
 * the signal is aborted, it calls `interrupt`.
 */
export type Gate = (signal: AbortSignal, interrupt: (why: Interruption) => void) => Promise<boolean>

/** The gate of a page, or of a worker of one; elsewhere it is always open. */
export function pageGate({ pauseWhenHidden, waitForOnline = true }: GateOptions): Gate {
  /** In the back/forward cache, which takes no page that holds a connection. */
  let frozen = false
  return (signal, interrupt) =>
    new Promise((resolve) => {
      const { document, navigator } = globalThis
      let open = false
      const look = ({ type, persisted }: Partial<PageTransitionEvent>) => {
        if (persisted && type === 'pagehide') {
          frozen = true
          // By itself: as the page comes back there may be nobody at the gate.
          const thaw = () => {
            frozen = false
          }
          globalThis.addEventListener('pageshow', thaw, { once: true })
        }
        const closed = frozen || (pauseWhenHidden && document?.hidden)
        if (open) {
          if (closed) interrupt('closed')
          else if (waitForOnline && type?.endsWith('line')) interrupt('network')
        } else if (!closed && (!waitForOnline || navigator?.onLine !== false)) {
          open = true
          resolve(!!type)
        }
      }
      document?.addEventListener('visibilitychange', look, { signal })
      if (document || navigator?.onLine !== undefined) {
        for (const type of ['online', 'offline', 'pagehide', 'pageshow']) {
          globalThis.addEventListener?.(type, look, { signal })
        }
      }
      look({})
    })
}
