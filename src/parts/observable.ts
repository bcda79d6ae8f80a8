declare global {
  // As RxJS declares it: its `from()` takes what has this member.
  interface SymbolConstructor {
    readonly observable: symbol
  }
}

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

/**
 * An observable as RxJS and its like take it, by `from()`.
 *
 * @example
 * ```ts
 * import { events, type InteropObservable, observable, type ServerSentEvent } from 'tidings'
 *
 * const feed: InteropObservable<ServerSentEvent> = observable(() => events('/api/feed'))
 * const { unsubscribe } = feed.subscribe({ next: (event) => show(event.data) })
 * unsubscribe()
 * ```
 */
export interface InteropObservable<E> {
  /**
   * Begins to observe: the session starts at once. What an observer throws is reported as uncaught,
   * and so is a failure that an observer has no `error` for.
   */
  subscribe(observer: Observer<E>): Subscription
  /** Itself. Where no polyfill has made the symbol, the key is `'@@observable'`. */
  readonly [Symbol.observable]: () => InteropObservable<E>
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
  let shared: Group<E> = new Set()
  const self = {
    subscribe(observer: Observer<E>) {
      const own = typeof source === 'function'
      const stream = own ? source() : source
      // The session that all have left may still be on its way out: it must not tell the next ones.
      if (own || shared.size === 0) shared = new Set()
      const group = shared
      const entry = { observer }
      group.add(entry)
      if (group.size === 1) run(stream, group)
      return {
        unsubscribe() {
          if (group.delete(entry) && group.size === 0) stream.close()
        },
      }
    },
  } as InteropObservable<E>
  return Object.assign(self, { [key]: () => self })
}

/** Those who share a session. An observer may be among them twice. */
type Group<E> = Set<{ readonly observer: Observer<E> }>

async function run<E>(stream: Observed<E>, group: Group<E>): Promise<void> {
  const dismiss = () => {
    const all = [...group]
    group.clear()
    return all
  }
  try {
    for await (const event of stream) {
      // Who subscribes meanwhile begins with the next event, and who leaves hears no more.
      for (const entry of [...group]) {
        if (group.has(entry)) tell(entry, ({ observer }) => observer.next?.(event))
      }
    }
    for (const entry of dismiss()) tell(entry, ({ observer }) => observer.complete?.())
  } catch (error) {
    for (const entry of dismiss()) {
      tell(entry, ({ observer }) => {
        if (!observer.error) throw error
        observer.error(error)
      })
    }
  }
}

/** An observer that throws costs the others nothing: that is reported as the platform does it. */
function tell<E>(entry: E, say: (to: E) => void): void {
  try {
    say(entry)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
