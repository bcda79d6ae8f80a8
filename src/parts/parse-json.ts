/**
 * A `decode` that parses JSON, and leaves out events without data, such as heartbeats.
 *
 * @throws {SyntaxError} for data that is not JSON, which ends the stream with code `data`
 *
 * @example
 * ```ts
 * import { events, parseJson } from 'tidings'
 *
 * for await (const { data } of events('/api/prices', { decode: parseJson })) show(data.amount)
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: as JSON.parse
export function parseJson(data: string): any {
  return /\S/.test(data) ? JSON.parse(data) : undefined
}
