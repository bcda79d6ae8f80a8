/**
 * Counts what came against what should have come, by the numbers of the events alone: a number left
 * out is an event missed, a number seen before is an event doubled.
 */
export function createLedger() {
  /** @type {Set<number>} */
  const seen = new Set()
  let first = Number.POSITIVE_INFINITY
  let last = 0
  let doubled = 0

  return {
    /** Notes one event. False if it had come before. @param {string} id */
    add(id) {
      const number = Number(id)
      if (!Number.isSafeInteger(number))
        throw new TypeError(`Expected a numbered event, got "${id}"`)
      if (seen.has(number)) {
        doubled += 1
        return false
      }
      seen.add(number)
      first = Math.min(first, number)
      last = Math.max(last, number)
      return true
    },

    get totals() {
      const received = seen.size
      return { received, missed: received && last - first + 1 - received, doubled, last }
    },
  }
}
