import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** Runs a script against the built package, by its public name, in a process of its own. */
function run(script: string, type: 'module' | 'commonjs'): string {
  const args = [`--input-type=${type}`, '-e', script]
  return execFileSync(process.execPath, args, {
    cwd: new URL('..', import.meta.url),
    encoding: 'utf8',
  }).trim()
}

test('ESM and CommonJS export the same names', () => {
  const names = 'events,EventSource,EventStreamDecoder,SseError'
  const list = (what: string) =>
    `console.log(Object.keys(${what}).sort((a, b) => a.localeCompare(b)).join())`
  const sorted = names
    .split(',')
    .sort((a, b) => a.localeCompare(b))
    .join()
  expect(run(`import * as tidings from 'tidings'; ${list('tidings')}`, 'module')).toBe(sorted)
  expect(run(list("require('tidings')"), 'commonjs')).toBe(sorted)
})

test.each([
  [
    'module',
    "import { SseError } from 'tidings'; import { fetchEventSource } from 'tidings/fetch-event-source'",
  ],
  [
    'commonjs',
    "const { SseError } = require('tidings'); const { fetchEventSource } = require('tidings/fetch-event-source')",
  ],
] as const)('an error of one entry is an SseError of the other (%s)', (type, imports) => {
  const script = `${imports}
    fetchEventSource('http://localhost', {
      fetch: async () => new Response('', { status: 500 }),
      onerror: (error) => { throw error },
    }).catch((error) => console.log(error instanceof SseError))`
  expect(run(script, type)).toBe('true')
})

test('importing touches no global that some runtime lacks', () => {
  const optional = [
    'fetch',
    'Request',
    'Response',
    'Headers',
    'TransformStream',
    'ReadableStream',
    'MessageChannel',
    'MessageEvent',
    'BroadcastChannel',
    'TextDecoder',
    'AbortController',
    'DOMException',
    'performance',
  ]
  const script = `
    for (const name of ${JSON.stringify(optional)}) {
      Object.defineProperty(globalThis, name, { get() { throw new Error('touched ' + name) } })
    }
    await import('tidings')
    await import('tidings/fetch-event-source')
    console.log('imported')`
  expect(run(script, 'module')).toBe('imported')
})
