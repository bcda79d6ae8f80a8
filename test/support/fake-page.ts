import { getEventListeners } from 'node:events'
import { vi } from 'vitest'

const TYPES = ['visibilitychange', 'online', 'offline', 'pagehide', 'pageshow']

/** A page as far as a stream looks at it. Its globals go with `vi.unstubAllGlobals()`. */
export class FakePage {
  readonly document: EventTarget & { hidden: boolean }
  readonly window = new EventTarget()
  readonly navigator: { onLine?: boolean }

  constructor({ hidden = false, onLine = true } = {}) {
    this.document = Object.assign(new EventTarget(), { hidden })
    this.navigator = { onLine }
    vi.stubGlobal('document', this.document)
    vi.stubGlobal('navigator', this.navigator)
    for (const name of ['addEventListener', 'removeEventListener'] as const) {
      vi.stubGlobal(name, this.window[name].bind(this.window))
    }
  }

  #turn(hidden: boolean): void {
    this.document.hidden = hidden
    this.document.dispatchEvent(new Event('visibilitychange'))
  }
  #connect(onLine: boolean): void {
    this.navigator.onLine = onLine
    this.window.dispatchEvent(new Event(onLine ? 'online' : 'offline'))
  }
  #pass(type: string, persisted: boolean): void {
    this.window.dispatchEvent(Object.assign(new Event(type), { persisted }))
  }

  readonly does = {
    hide: () => this.#turn(true),
    show: () => this.#turn(false),
    offline: () => this.#connect(false),
    online: () => this.#connect(true),
    // In the order of browsers.
    freeze: () => {
      this.#pass('pagehide', true)
      this.#turn(true)
    },
    thaw: () => {
      this.#turn(false)
      this.#pass('pageshow', true)
    },
    leave: () => this.#pass('pagehide', false),
    load: () => this.#pass('pageshow', false),
  }

  get listeners(): number {
    return [this.document, this.window]
      .flatMap((target) => TYPES.map((type) => getEventListeners(target, type).length))
      .reduce((sum, count) => sum + count, 0)
  }
}

/** What happens, in order: the page does something, or a number of milliseconds pass. */
export type Act = keyof FakePage['does'] | number | (() => unknown)

/** Lives through the acts, and writes down what the page did. */
export async function act(page: FakePage | undefined, acts: Act[], story: string[]): Promise<void> {
  for (const step of acts) {
    if (typeof step === 'string') {
      story.push(step)
      page?.does[step]()
    } else if (typeof step === 'function') step()
    await vi.advanceTimersByTimeAsync(typeof step === 'number' ? step : 0)
  }
}
