/** The longest delay a timer can keep; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1

/** `setTimeout` for delays of any length. */
export function later(run: () => void, delay: number): ReturnType<typeof setTimeout> {
  return setTimeout(run, Math.min(delay, LONGEST))
}

/** Settles as `work` does, or rejects with the signal's reason as soon as that is aborted. */
export function abortable<T>(signal: AbortSignal, work: T | PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    // Once: work that never settles must not keep a listener on the signal after its abort.
    else signal.addEventListener('abort', abort, { once: true })
    Promise.resolve(work)
      .finally(() => signal.removeEventListener('abort', abort))
      .then(resolve, reject)
  })
}

/** Resolves after `delay` milliseconds; rejects with the signal's reason if that is aborted first. */
export function sleep(delay: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const wait = new Promise<void>((resolve) => {
    timer = later(resolve, delay)
  })
  return abortable(signal, wait).finally(() => clearTimeout(timer))
}
