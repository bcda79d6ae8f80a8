/**
 * @param types - what `typeof` may say, in words: `'function or object'`
 * @throws {TypeError} unless the option is absent or of one of the types
 */
export function expectType(name: string, value: unknown, types: string): void {
  if (value !== undefined && !types.includes(value === null ? 'null' : typeof value)) {
    const article = types.startsWith('object') ? 'an' : 'a'
    throw new TypeError(`Expected ${name} to be ${article} ${types}, got ${kindOf(value)}`)
  }
}

/**
 * @param isDeadline - 0 makes no sense
 * @throws {TypeError | RangeError} unless the option is absent or a time in milliseconds
 */
export function expectTime(name: string, value: unknown, isDeadline?: boolean): void {
  expectRange(name, value, isDeadline ? '> 0' : '>= 0', (time) =>
    isDeadline ? time > 0 : time >= 0,
  )
  // A timer fires at once after Infinity.
  expectRange(name, value, 'to be finite', Number.isFinite)
}

/** @throws {TypeError | RangeError} unless the option is absent, whole, or `Infinity` */
export function expectCount(name: string, value: unknown, isPositive?: boolean): void {
  expectRange(name, value, isPositive ? '> 0' : '>= 0', (count) =>
    isPositive ? count > 0 : count >= 0,
  )
  expectRange(
    name,
    value,
    'to be a whole number',
    (count) => Number.isInteger(count) || count === Number.POSITIVE_INFINITY,
  )
}

/**
 * @param range - what `isIn` says, in words: `'>= 0'`
 * @throws {TypeError | RangeError} unless the option is absent or a number in the range
 */
export function expectRange(
  name: string,
  value: unknown,
  range: string,
  isIn: (value: number) => boolean,
): void {
  expectType(name, value, 'number')
  if (value !== undefined && !isIn(value as number)) {
    throw new RangeError(`Expected ${name} ${range}, got ${value}`)
  }
}

/** @throws {TypeError} unless the option is absent or one of the two words */
export function expectOneOf(name: string, value: unknown, one: string, other: string): void {
  if (value !== undefined && value !== one && value !== other) {
    const given = typeof value === 'string' ? `'${value}'` : kindOf(value)
    throw new TypeError(`Expected ${name} to be '${one}' or '${other}', got ${given}`)
  }
}

/** What came, in words that hold none of it: it may be a secret. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (value instanceof RegExp) return 'RegExp'
  return isPromise(value) ? 'promise' : typeof value
}

export function isPromise(value: unknown): boolean {
  return typeof Object(value).then === 'function'
}
