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

/** A value, now or by a promise. */
export type Awaitable<T> = T | PromiseLike<T>
