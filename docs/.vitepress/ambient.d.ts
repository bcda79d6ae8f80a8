// What the samples of the docs may use without declaring it.

/** Puts something on the page. */
declare function show(...values: unknown[]): void

/** What a person asks a language model. Not `prompt`: that is a function of the DOM. */
declare const question: string

/** A bearer token, and a way to get a fresh one. */
declare const token: string
declare function freshToken(): Promise<string>

/** Ends what the sample starts. */
declare const signal: AbortSignal
