import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'

/** Runs a script against the built package, by its public name, in a process of its own. */
function run(script: string, type: 'module' | 'commonjs', ...conditions: string[]): string {
  const flags = conditions.map((condition) => `--conditions=${condition}`)
  const args = [...flags, `--input-type=${type}`, '-e', script]
  return execFileSync(process.execPath, args, {
    cwd: new URL('..', import.meta.url),
    encoding: 'utf8',
  }).trim()
}

const names = {
  tidings:
    'EventSource,SseError,dedupe,events,fromRequest,observable,parseJson,validated,whenVisible',
  'tidings/parser': 'EventStreamDecoder,EventStreamParser,readEvents',
  'tidings/fetch-event-source': 'EventStreamContentType,fetchEventSource',
  'tidings/auth': 'bearer',
  'tidings/vue': 'useEventSource,useEvents',
  'tidings/react': 'useEvents',
}
const entries = JSON.stringify(Object.keys(names))

test.each([
  ['development', []],
  ['development', ['development']],
  ['production', ['production']],
])('Node takes %s by the conditions %j', (build, conditions) => {
  const esm = run("console.log(import.meta.resolve('tidings'))", 'module', ...conditions)
  const cjs = run("console.log(require.resolve('tidings'))", 'commonjs', ...conditions)
  for (const path of [esm, cjs]) {
    expect(/\/dist\/development\//.test(path) ? 'development' : 'production').toBe(build)
  }
})

describe.each(['production', 'development'])('the %s build', (build) => {
  test('ESM and CommonJS export the same names', () => {
    const list = (load: string) => `(async () => {
      for (const entry of ${entries}) {
        console.log(Object.keys(${load}).filter((name) => !/default|module/.test(name)).sort().join())
      }
    })()`
    const expected = Object.values(names).join('\n')
    expect(run(list('await import(entry)'), 'module', build)).toBe(expected)
    expect(run(list('require(entry)'), 'commonjs', build)).toBe(expected)
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
    expect(run(script, type, build)).toBe('true')
  })

  test('the ESM and the CommonJS copy know each other’s errors', () => {
    const script = `
      import { createRequire } from 'node:module'
      import { SseError } from 'tidings'
      const other = createRequire(import.meta.url)('tidings').SseError
      console.log(SseError !== other)
      console.log(new SseError('network', '') instanceof other)
      console.log(new other('network', '') instanceof SseError)
      console.log(new Error('network') instanceof SseError)`
    expect(run(script, 'module', build).split('\n')).toEqual(['true', 'true', 'true', 'false'])
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
      for (const entry of ${entries}.slice(0, 4)) await import(entry)
      console.log('imported')`
    expect(run(script, 'module', build)).toBe('imported')
  })
})
