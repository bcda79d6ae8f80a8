/** Waits until an attempt may be made, then calls `interrupt` if it no longer may; until aborted. */
export type Gate = (signal: AbortSignal, interrupt: () => void) => Promise<void>

/** Lets nothing run while the page is hidden. Where there is no page it is always open. */
export const whileVisible: Gate = (signal, interrupt) =>
  new Promise((resolve) => {
    const page = globalThis.document
    const look = () => (page.hidden ? interrupt() : resolve())
    page?.addEventListener('visibilitychange', look, { signal })
    if (!page?.hidden) resolve()
  })
