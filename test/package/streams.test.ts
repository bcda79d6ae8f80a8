import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

describe.each(['production', 'development'])('the %s build', (build) => {
  test.each(['esm.js', 'cjs.cjs'])('reads a stream by each entry: %s', (program) => {
    const path = fileURLToPath(new URL(`streams/${program}`, import.meta.url))
    const args = [`--conditions=${build}`, path]
    const env = { ...process.env, NODE_ENV: 'production' }
    const options = { env, encoding: 'utf8', timeout: 30_000 } as const
    const lines = execFileSync(process.execPath, args, options).trim().split('\n')
    const got = lines.map((line) => JSON.parse(line) as [string, string[]])
    expect(got.length).toBeGreaterThan(10)
    expect(got).toEqual(got.map(([name]) => [name, ['1 message one', '2 done two']]))
  })
})
