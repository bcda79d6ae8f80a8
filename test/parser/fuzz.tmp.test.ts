import fc from 'fast-check'
import { test } from 'vitest'
import { parser } from '../fuzz/parser'
test('fuzz', async () => {
  await fc.assert(fc.asyncProperty(parser.arbitrary, parser.check), { numRuns: Number(process.env.RUNS ?? 2000) })
}, 600_000)
