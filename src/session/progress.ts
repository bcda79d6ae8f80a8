/**
 * Whether a connection that has ended was worth having, so that the failures before it count no
 * more. A greeting or a cached answer, again and again, is none, however politely it ends.
 */
export interface Ended {
  /** Milliseconds that it was open. */
  readonly open: number
  /** Milliseconds waited before it. */
  readonly waited: number
  /** How many events it delivered. */
  readonly count: number
  /** Whether its last event is another than that of the connection before. */
  readonly moved: boolean
  /** Whether it was cut, or ended before its end. */
  readonly cut: boolean
}

/**
 * @param resetAfter - milliseconds of an open connection that are progress. Default: the wait before
 * it, between 1 and 5 s: a proxy that cuts every 25 s must not keep a stream from recovering
 */
export function isProgress(
  { open, waited, count, moved, cut }: Ended,
  resetAfter = Math.min(Math.max(waited, 1000), 5000),
): boolean {
  return open >= resetAfter || (moved && count > (cut ? 1 : 0))
}
