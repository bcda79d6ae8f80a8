/**
 * The platform's types, taken from whatever globals a project has: so they compile with lib `dom`,
 * with `@types/node`, and with neither.
 */
type Globals = typeof globalThis

interface AbortSignalLike {
  readonly aborted: boolean
  // biome-ignore lint/suspicious/noExplicitAny: as in the DOM's own types
  readonly reason: any
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** What is read of a `Headers` object. */
export interface HeadersLike {
  get(name: string): string | null
  has(name: string): boolean
}

interface ResponseLike {
  readonly status: number
  readonly ok: boolean
  readonly url: string
  readonly headers: HeadersLike
  text(): Promise<string>
}

interface RequestInitLike {
  // biome-ignore lint/suspicious/noExplicitAny: what `fetch` takes differs between runtimes
  body?: any
  cache?: string | undefined
  credentials?: 'omit' | 'same-origin' | 'include' | undefined
  mode?: string | undefined
  redirect?: 'follow' | 'error' | 'manual' | undefined
}

/** `Response`. */
export type FetchResponse = Globals extends { Response: { prototype: infer R } } ? R : ResponseLike

/** What `fetch` takes as its second argument. */
export type FetchInit = Globals extends {
  fetch(input: infer _, init?: infer I): infer __
}
  ? NonNullable<I>
  : RequestInitLike

/** `fetch`. */
export type FetchFunction = Globals extends { fetch: infer F }
  ? F
  : (input: string | FetchRequest | FetchUrl, init?: FetchInit) => Promise<FetchResponse>

/** `AbortSignal`. */
export type FetchSignal = Globals extends { AbortSignal: { prototype: infer S } }
  ? S
  : AbortSignalLike

/** `URL`. */
export type FetchUrl = Globals extends { URL: { prototype: infer U } }
  ? U
  : { readonly href: string }

/** `Request`. */
export type FetchRequest = Globals extends { Request: { prototype: infer R } }
  ? R
  : { readonly url: string; readonly method: string; clone(): unknown }

interface EventLike {
  readonly type: string
  readonly target: unknown
  readonly currentTarget: unknown
  readonly cancelable: boolean
  readonly defaultPrevented: boolean
  readonly timeStamp: number
  preventDefault(): void
  stopPropagation(): void
  stopImmediatePropagation(): void
}

interface MessageEventLike extends EventLike {
  // biome-ignore lint/suspicious/noExplicitAny: as in the DOM's own types
  readonly data: any
  readonly origin: string
  readonly lastEventId: string
}

type ListenerLike = ((event: DomEvent) => unknown) | { handleEvent(event: DomEvent): unknown }

interface EventTargetLike {
  addEventListener(type: string, listener: ListenerLike | null, options?: object | boolean): void
  removeEventListener(type: string, listener: ListenerLike | null, options?: object | boolean): void
  dispatchEvent(event: DomEvent): boolean
}

/** `Event`. */
export type DomEvent = Globals extends { Event: { prototype: infer E } } ? E : EventLike

/** `MessageEvent`. */
export type DomMessageEvent = Globals extends { MessageEvent: { prototype: infer E } }
  ? E
  : MessageEventLike

/** `EventTarget`. */
export type DomEventTarget = Globals extends { EventTarget: { prototype: infer T } }
  ? T
  : EventTargetLike

/** What `addEventListener` takes as its second argument. */
export type DomListener = Parameters<DomEventTarget['addEventListener']>[1]

/** What `addEventListener` takes as its third argument. */
export type DomListenerOptions = Parameters<DomEventTarget['addEventListener']>[2]

/** A value, now or by a promise. */
export type Awaitable<T> = T | PromiseLike<T>
