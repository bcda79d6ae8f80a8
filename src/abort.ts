/** The longest delay a timer can keep; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1

/** Settles as `work` does, or rejects with the signal's reason as soon as that is aborted. */
export function abortable<T>(signal: AbortSignal, work: T | PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    Promise.resolve(work)
      .finally(() => signal.removeEventListener('abort', abort))
      .then(resolve, reject)
  })
}

/** Resolves after `delay` milliseconds; rejects with the signal's reason if that is aborted first. */
export function sleep(delay: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const wait = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(delay, LONGEST))
  })
  return abortable(signal, wait).finally(() => clearTimeout(timer))
}
