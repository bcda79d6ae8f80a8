import type { ServerSentEvent } from './parser'

/**
 * What zod, valibot, ArkType and others implement.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

/** A value, or what is wrong with it. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** One schema for all events, or one for each type. */
export type EventSchema = StandardSchema | { readonly [type: string]: StandardSchema }

type Output<S> = S extends StandardSchema<infer O> ? O : never

/** The events that a schema lets through: for a map, a union to narrow by `type`. */
export type SchemaEvent<S extends EventSchema> = S extends StandardSchema
  ? ServerSentEvent<string, Output<S>>
  : { [Type in keyof S & string]: ServerSentEvent<Type, Output<S[Type]>> }[keyof S & string]

/** The cause of a `data` error. */
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
