/** @throws {TypeError} unless the option is absent or of the type */
export function expectType(name: string, value: unknown, type: string): void {
  if (value !== undefined && typeof value !== type) {
    throw new TypeError(`Expected ${name} to be a ${type}, got ${describe(value)}`)
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

function describe(value: unknown): string {
  return value === null ? 'null' : typeof value
}
