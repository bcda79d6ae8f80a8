import { expectOneOf } from '../development/expect'
import type { EventsOf, ServerSentEvent } from '../parser/event'
import type { Awaitable } from '../platform'
import type { Decoder } from '../session/decode'

/**
 * What zod, valibot, ArkType and others implement.
 *
 * @see https://standardschema.dev
 *
 * @example
 * ```ts
 * import { events, type StandardSchema, validated } from 'tidings'
 *
 * // By hand; a library's schema goes in the same place.
 * const price: StandardSchema<number> = {
 *   '~standard': {
 *     version: 1,
 *     vendor: 'mine',
 *     validate: (value) =>
 *       typeof value === 'number' ? { value } : { issues: [{ message: 'not a number' }] },
 *   },
 * }
 * for await (const { data } of events('/api/price', { decode: validated(price) })) show(data.toFixed(2))
 * ```
 */
export interface StandardSchema<Output = unknown> {
  /** The key by which a schema is known for one. */
  readonly '~standard': {
    /** Of the standard. */
    readonly version: 1
    /** The library that made the schema. */
    readonly vendor: string
    /** Judges a value; may be async. */
    // biome-ignore lint/suspicious/noExplicitAny: later versions of the standard pass more
    readonly validate: (value: unknown, ...rest: any[]) => Awaitable<StandardResult<Output>>
    /** For the types alone; no value has it. */
    readonly types?:
      | {
          /** What it takes. */
          readonly input: unknown
          /** What it makes of that. */
          readonly output: Output
        }
      | undefined
  }
}

/**
 * A value, or what is wrong with it.
 *
 * @example
 * ```ts
 * import type { StandardResult } from 'tidings'
 *
 * const positive = (value: number): StandardResult<number> =>
 *   value > 0 ? { value } : { issues: [{ message: 'not positive' }] }
 * ```
 */
export type StandardResult<Output> =
  | {
      /** The value, as the schema makes it. */
      readonly value: Output
      /** Absent: all is well. */
      readonly issues?: undefined
    }
  | {
      /** What is wrong. */
      readonly issues: readonly SchemaIssue[]
    }

/**
 * One thing that is wrong with a value.
 *
 * @example
 * ```ts
 * import type { SchemaIssue } from 'tidings'
 *
 * const issue: SchemaIssue = { message: 'Expected a number', path: ['price', 'amount'] }
 * ```
 */
export interface SchemaIssue {
  /** What is wrong, in the schema's words. */
  readonly message: string
  /** Where in the value. Default: the value itself. */
  readonly path?:
    | readonly (
        | PropertyKey
        | {
            /** As the key by itself. */
            readonly key: PropertyKey
          }
      )[]
    | undefined
}

/**
 * The cause of a `data` error that {@link validated} leads to.
 *
 * @example
 * ```ts
 * import { events, type InvalidEvent, SseError, validated } from 'tidings'
 * import { z } from 'zod'
 *
 * try {
 *   for await (const { data } of events('/api/price', { decode: validated(z.number()) })) show(data)
 * } catch (error) {
 *   if (!(error instanceof SseError && error.code === 'data')) throw error
 *   const { issues } = error.cause as InvalidEvent
 *   show(error.event?.data, issues[0]?.message)
 * }
 * ```
 */
export interface InvalidEvent {
  /** What the schema found, or that the data is not JSON. */
  readonly issues: readonly SchemaIssue[]
  /** The event as it came. */
  readonly event: ServerSentEvent
}

/**
 * How {@link validated} treats data that does not fit.
 *
 * @example
 * ```ts
 * import { events, type ValidatedOptions, validated } from 'tidings'
 * import { z } from 'zod'
 *
 * const options: ValidatedOptions = { onInvalid: 'skip' }
 * const prices = events('/api/prices', { decode: validated(z.number(), options) })
 * ```
 */
export interface ValidatedOptions {
  /**
   * `'throw'` ends the stream with an error of code `data` whose cause has the issues; `'skip'`
   * leaves the event out. Default: `'throw'`.
   */
  onInvalid?: 'throw' | 'skip' | undefined
}

/**
 * A `decode` that parses each event's data as JSON and validates it: by one Standard Schema (zod,
 * valibot, ArkType, …) for all events, or by one for each type, where events of other types are left
 * out. Events without data are left out by a schema for all, too.
 *
 * @throws {TypeError} for what is no schema, in the development build
 *
 * @example
 * ```ts
 * import { events, validated } from 'tidings'
 * import { z } from 'zod'
 *
 * const feed = { price: z.object({ symbol: z.string(), price: z.number() }), chat: z.string() }
 * for await (const event of events('/api/feed', { decode: validated(feed) })) {
 *   if (event.type === 'price') show(event.data.symbol, event.data.price)
 *   else show(event.data)
 * }
 * ```
 */
export function validated<O>(
  schema: StandardSchema<O>,
  options?: ValidatedOptions,
): Decoder<ServerSentEvent<string, O>>
export function validated<M extends object>(
  schemas: { readonly [K in keyof M]: StandardSchema<M[K]> },
  options?: ValidatedOptions,
): Decoder<EventsOf<M>>
export function validated(
  schema: StandardSchema | Record<string, StandardSchema>,
  { onInvalid }: ValidatedOptions = {},
): Decoder<never> {
  if (__DEV__) expectOneOf('onInvalid', onInvalid, 'throw', 'skip')
  const one = isSchema(schema) ? schema : undefined
  if (__DEV__ && !one && !(Object(schema) === schema && Object.values(schema).every(isSchema))) {
    throw new TypeError(
      'Expected validated() to get a Standard Schema or a map of them, got another value',
    )
  }
  const judge = (result: StandardResult<unknown>, event: ServerSentEvent): unknown => {
    if (!result.issues) return result.value
    if (onInvalid === 'skip') return undefined
    const invalid: Pick<InvalidEvent, 'issues'> = { issues: result.issues }
    // Not enumerable, so that printing the error shows none of the data.
    throw Object.defineProperty(invalid, 'event', { value: event })
  }
  return {
    decode(data, event) {
      const { type } = event
      const own =
        one ?? (Object.hasOwn(schema, type) && (schema as Record<string, StandardSchema>)[type])
      if (!own || !/\S/.test(data)) return undefined
      let value: unknown
      try {
        value = JSON.parse(data)
      } catch {
        // Not the runtime's message: that quotes the data.
        return judge({ issues: [{ message: 'not JSON' }] }, event)
      }
      const result = own['~standard'].validate(value)
      return 'then' in result
        ? result.then((settled) => judge(settled, event))
        : judge(result as StandardResult<unknown>, event)
    },
  }
}

function isSchema(schema: unknown): schema is StandardSchema {
  return typeof (schema as StandardSchema | undefined)?.['~standard']?.validate === 'function'
}
