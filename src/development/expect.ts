/**
 * @param types - what `typeof` may say, in words: `'function or object'`
 * @throws {TypeError} unless the option is absent or of one of the types
 */
export function expectType(name: string, value: unknown, types: string): void {
  const type = value === null ? 'null' : typeof value
  if (value !== undefined && !types.includes(type)) {
    throw new TypeError(`Expected ${name} to be a ${types}, got ${type}`)
  }
}

/** @throws {TypeError | RangeError} unless the option is absent or a number in the range */
export function expectNumber(
  name: string,
  value: unknown,
  least = 0,
  most: number = Number.POSITIVE_INFINITY,
): void {
  expectType(name, value, 'number')
  if (value !== undefined && !((value as number) >= least && (value as number) <= most)) {
    const range =
      most < Number.POSITIVE_INFINITY ? `from ${least} to ${most}` : least ? '> 0' : '>= 0'
    throw new RangeError(`Expected ${name} ${range}, got ${value}`)
  }
}

/** @throws {TypeError} unless the option is absent or one of the two words */
export function expectOneOf(name: string, value: unknown, one: string, other: string): void {
  if (value !== undefined && value !== one && value !== other) {
    throw new TypeError(`Expected ${name} to be '${one}' or '${other}', got ${value}`)
  }
}
