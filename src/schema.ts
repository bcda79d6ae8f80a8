import type { ServerSentEvent } from './parser'

/**
 * What zod, valibot, ArkType and others implement.
 *
 * @see https://standardschema.dev
 *
 * @example
 * ```ts
 * import { events, type StandardSchema } from 'tidings'
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
 * for await (const { data } of events('/api/price', { schema: price })) show(data.toFixed(2))
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
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
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
 * One schema for all events, or one for each type.
 *
 * @example
 * ```ts
 * import { type EventSchema, events } from 'tidings'
 * import { z } from 'zod'
 *
 * const schema = {
 *   price: z.object({ symbol: z.string(), price: z.number() }),
 *   chat: z.string(),
 * } satisfies EventSchema
 * for await (const event of events('/api/feed', { schema })) {
 *   if (event.type === 'price') show(event.data.symbol, event.data.price)
 *   else show(event.data)
 * }
 * ```
 */
export type EventSchema = StandardSchema | { readonly [type: string]: StandardSchema }

type Output<S> = S extends StandardSchema<infer O> ? O : never

/**
 * The events that a schema lets through: for a map, a union to narrow by `type`.
 *
 * @example
 * ```ts
 * import type { SchemaEvent } from 'tidings'
 * import { z } from 'zod'
 *
 * const schema = { price: z.number(), chat: z.string() }
 *
 * function handle(event: SchemaEvent<typeof schema>) {
 *   if (event.type === 'price') show(event.data.toFixed(2))
 * }
 * ```
 */
export type SchemaEvent<S extends EventSchema> = S extends StandardSchema
  ? ServerSentEvent<string, Output<S>>
  : { [Type in keyof S & string]: ServerSentEvent<Type, Output<S[Type]>> }[keyof S & string]

/**
 * The cause of a `data` error that a schema leads to.
 *
 * @example
 * ```ts
 * import { events, type InvalidEvent, SseError } from 'tidings'
 * import { z } from 'zod'
 *
 * try {
 *   for await (const { data } of events('/api/price', { schema: z.number() })) show(data)
 * } catch (error) {
 *   if (!(error instanceof SseError && error.code === 'data')) throw error
 *   const { issues, event, position } = error.cause as InvalidEvent
 *   show(`event ${position}:`, event.data, issues[0]?.message)
 * }
 * ```
 */
export interface InvalidEvent {
  /** What the schema found, or that the data is not JSON. */
  readonly issues: readonly SchemaIssue[]
  /** The event as it came. */
  readonly event: ServerSentEvent
  /** Its place among the events of its connection; the first is 1. */
  readonly position: number
}

/** @throws {TypeError} unless it is a schema, or schemas by type, or absent */
export function expectSchema(schema: unknown): void {
  if (!isSchema(schema) && !Object.values(schema ?? {}).every(isSchema)) {
    throw new TypeError(
      'Expected schema to be a Standard Schema or a map of them, got another value',
    )
  }
}

/** `undefined` for an event of a type that a map of schemas leaves out. */
export async function validate(
  { type, data }: ServerSentEvent,
  schema: EventSchema,
): Promise<StandardResult<unknown> | undefined> {
  const one = isSchema(schema) ? schema : Object.hasOwn(schema, type) ? schema[type] : undefined
  if (!one) return undefined
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    // Not the runtime's message: that quotes the data.
    return { issues: [{ message: 'not JSON' }] }
  }
  return one['~standard'].validate(value)
}

function isSchema(schema: unknown): schema is StandardSchema {
  return typeof (schema as StandardSchema | undefined)?.['~standard']?.validate === 'function'
}
