/** One ratio of the report, measured with both sides in the same run. */
export interface Figure {
  suite: 'parse' | 'stream' | 'connections' | 'chromium' | 'size'
  /** What was done: `'40 B events in 64 KiB chunks'`. */
  measure: string
  /** What of Tidings did it: `'batches()'`. */
  subject: string
  /** What it is held against, with its version: `'eventsource-parser 4.1.3'`, `'reader floor'`. */
  against: string
  /** The median over rounds of what `reads` says. */
  ratio: number
  reads: 'times as fast' | 'times the cost'
  /** At least this for `times as fast`, at most this for `times the cost`. */
  goal?: number
  /** The two sides in their own unit, for orientation only: these machines are noisy. */
  absolute: { subject: string; against: string }
  /** Set where the output of a side is wrong, with how: no ratio counts then. */
  wrong?: string
}
