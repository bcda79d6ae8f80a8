/** What is observed: an {@link observable} asks no more of a stream. */
interface Observed<E> extends AsyncIterable<E> {
  close(): void
}

interface Observer<E> {
  next?: ((event: E) => void) | undefined
  error?: ((error: unknown) => void) | undefined
  complete?: (() => void) | undefined
}

interface Subscription {
  /** Ends the session; of a shared stream, the last one to leave does. */
  unsubscribe(): void
}

/** An observable as RxJS and its like take it, by `from()`. */
export interface InteropObservable<E> {
  /** Begins to observe: the session starts at once. */
  subscribe(observer: Observer<E>): Subscription
}

/**
 * A stream as an observable, for RxJS's `from()` and its like. A function opens a stream for each
 * subscriber; a stream in its place is shared by all of them, and the last to leave closes it.
 *
 * @example
 * ```ts
 * import { from } from 'rxjs'
 * import { events, observable } from 'tidings'
 *
 * const prices = from(observable(() => events('/api/prices')))
 * const subscription = prices.subscribe((event) => show(event.data))
 * subscription.unsubscribe() // Closes the socket.
 * ```
 */
export function observable<E>(source: Observed<E> | (() => Observed<E>)): InteropObservable<E> {
  // As RxJS has it: the symbol where a polyfill has made one.
  const key = (Symbol as unknown as { observable?: string }).observable ?? '@@observable'
  const observers = new Set<Observer<E>>()
  const self: InteropObservable<E> = {
    subscribe(observer) {
      const own = typeof source === 'function'
      const group = own ? new Set<Observer<E>>() : observers
      const stream = own ? source() : source
      const unsubscribe = () => {
        if (group.delete(observer) && group.size === 0) stream.close()
      }
      group.add(observer)
      if (group.size === 1) run(stream, group)
      return { unsubscribe }
    },
  }
  return Object.assign(self, { [key]: () => self })
}

async function run<E>(stream: Observed<E>, group: Set<Observer<E>>): Promise<void> {
  const tell = (say: (observer: Observer<E>) => void) => {
    const all = [...group]
    group.clear()
    for (const observer of all) say(observer)
  }
  try {
    for await (const event of stream) for (const observer of [...group]) observer.next?.(event)
    tell((observer) => observer.complete?.())
  } catch (error) {
    tell((observer) => {
      if (observer.error) return observer.error(error)
      // As the platform reports what nobody catches.
      queueMicrotask(() => {
        throw error
      })
    })
  }
}
