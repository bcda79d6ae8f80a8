import type { Awaitable, FetchSignal } from './platform'

/** The longest delay a timer can keep; a longer one would fire at once. */
const LONGEST = 2 ** 31 - 1

/** For promises that nobody waits for. */
export function ignore(): void {}

/** `setTimeout` for delays of any length. */
export function later(run: () => void, delay: number): ReturnType<typeof setTimeout> {
  return setTimeout(run, Math.min(delay, LONGEST))
}

/** Milliseconds that can be waited for; anything else counts as not given. */
export function time<T>(value: unknown, fallback: T): number | T {
  return Number.isFinite(value) && (value as number) >= 0 ? (value as number) : fallback
}

/** Why a signal is aborted. Older polyfills keep no reason. */
export function abortReason({
  reason = Object.assign(new Error('Aborted'), { name: 'AbortError' }),
}: FetchSignal): unknown {
  return reason
}

/**
 * The time that something runs, with why it ended. It keeps the reason by itself, because the
 * `AbortController` of React Native and of older polyfills loses it.
 */
export class Lifetime {
  _ended = false
  reason: unknown
  private readonly _control = new AbortController()
  /** Called at the end; `race` replaces it. */
  _interrupt: ((reason: unknown) => void) | undefined

  get signal(): FetchSignal {
    return this._control.signal
  }

  /** The first reason counts. */
  _end(reason: unknown): void {
    if (this._ended) return
    this._ended = true
    this.reason = reason
    // A symbol is ours, and would not go into anybody's message.
    this._control.abort(typeof reason === 'symbol' ? undefined : reason)
    this._interrupt?.(reason)
  }

  /**
   * Settles as `work` does, or rejects with the reason as soon as this ends: also where it ends in
   * the microtasks between the two. One at a time.
   */
  async _race<T>(work: Awaitable<T>): Promise<T> {
    const value = await new Promise<T>((resolve, reject) => {
      this._interrupt = reject
      if (this._ended) reject(this.reason)
      Promise.resolve(work).then(resolve, reject)
    })
    this._check()
    return value
  }

  /** @throws the reason, once this has ended */
  _check(): void {
    if (this._ended) throw this.reason
  }
}
