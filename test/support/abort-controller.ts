/**
 * An `AbortController` as polyfills have it (npm `abort-controller` 3, which React Native loads): it
 * drops the reason, its signals know neither `any` nor `timeout` nor `throwIfAborted`, and a listener
 * cannot be tied to another signal.
 */
export class OldAbortController {
  readonly signal = new OldAbortSignal()

  abort(): void {
    if (this.signal.aborted) return
    this.signal.aborted = true
    for (const listener of [...this.signal.listeners]) listener()
  }
}

class OldAbortSignal {
  aborted = false
  readonly listeners = new Set<() => void>()

  addEventListener(type: string, listener: () => void, ...rest: unknown[]): void {
    if (type !== 'abort' || rest.length > 0) throw new TypeError('Not known here')
    this.listeners.add(listener)
  }

  removeEventListener(_type: string, listener: () => void): void {
    this.listeners.delete(listener)
  }
}
