import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { root } from './packed'

/** What an app's bundle has of us: the modules, without extension, and its bytes of min+gzip. */
async function bundled(...imports: string[]): Promise<{ modules: string[]; size: number }> {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: imports.map((clause) => `export ${clause}`).join('\n'),
      resolveDir: root,
    },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['production', 'module'],
    external: ['vue', 'react'],
    write: false,
    metafile: true,
  })
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs))
  const modules = inputs
    .filter(([name, { bytesInOutput }]) => name.startsWith('dist/') && bytesInOutput > 0)
    .map(([name]) => name.slice('dist/'.length, -'.js'.length))
  const bytes = outputFiles[0]?.contents ?? new Uint8Array()
  return { modules, size: gzipSync(bytes, { level: 9 }).length }
}

const events = "{ events } from 'tidings'"
const parts = ['dedupe', 'fromRequest', 'observable', 'parseJson', 'validated', 'whenVisible']
const file = (part: string) => `parts/${part.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`

describe('what an app does not import is not in its bundle', () => {
  const face = (name: string) => new RegExp(`^faces/(?!${name})|^(parts|auth|bindings)/`)
  test.each([
    ['events', 'tidings', face('events$')],
    ['EventSource', 'tidings', face('(event-source|message-event|send)$')],
    [
      'fetchEventSource',
      'tidings/fetch-event-source',
      // Its input may be a Request.
      /^faces\/(?!fetch-event-source$)|^parts\/(?!from-request$)|^(auth|bindings)\//,
    ],
    ['SseError', 'tidings', /^(?!errors$)/],
    ['readEvents', 'tidings/parser', /^(?!errors$|parser\/)|decoder$/],
    ['EventStreamParser', 'tidings/parser', /^(?!errors$|parser\/)|(decoder|read)$/],
    ['EventStreamDecoder', 'tidings/parser', /^(?!errors$|parser\/)/],
    ['bearer', 'tidings/auth', /^(session\/session|faces|parts|parser|bindings)/],
    ['useEvents', 'tidings/react', /^(parts|auth|bindings\/vue)|^faces\/(?!events$)/],
    ['useEvents', 'tidings/vue', /^(parts|auth|bindings\/react)|^faces\/(?!events$)/],
  ])('%s from %s', async (name, entry, others) => {
    const { modules } = await bundled(`{ ${name} } from '${entry}'`)
    expect(modules).not.toEqual([])
    expect(modules.filter((module) => others.test(module))).toEqual([])
  })

  test.each(parts)('%s alone is one part, and no stream', async (part) => {
    const { modules } = await bundled(`{ ${part} } from 'tidings'`)
    expect(modules.filter((module) => module.startsWith('parts/'))).toEqual([file(part)])
    expect(modules.filter((module) => /^(faces|session\/session|transport)/.test(module))).toEqual(
      [],
    )
  })

  test('all of the main entry has every part, and the bindings and auth are not in it', async () => {
    const { modules } = await bundled("* from 'tidings'")
    expect(modules).toEqual(expect.arrayContaining(parts.map(file)))
    expect(modules.filter((module) => /^(auth|bindings)/.test(module))).toEqual([])
  })
})

// What each entry weighs alone is in package.json, for size-limit.
describe('the bindings weigh 3.0 kB at most beyond what they use', () => {
  test.each([
    ["* from 'tidings/react'", events],
    ["{ useEvents } from 'tidings/vue'", events],
    ["* from 'tidings/vue'", "{ events, EventSource } from 'tidings'"],
  ])('%s beyond %s', async (binding, used) => {
    const { size } = await bundled(binding, used)
    expect(size - (await bundled(used)).size).toBeLessThanOrEqual(3000)
  })
})

describe('the published files', () => {
  const scripts = readdirSync(`${root}dist`, { encoding: 'utf8', recursive: true })
    .filter((name) => /\.c?js$/.test(name))
    .sort()
  const isDevelopment = (name: string) => name.startsWith('development')
  /** Their code, less the comments. */
  const code = (names: string[]) =>
    names
      .map((name) => readFileSync(`${root}dist/${name}`, 'utf8'))
      .join('\n')
      .replaceAll(/^ *(\/\/|\/?\*).*$/gm, '')

  test('development has the files of production, and those for it alone', () => {
    const development = scripts
      .filter(isDevelopment)
      .map((name) => name.slice('development/'.length))
      .filter((name) => !isDevelopment(name))
    expect(development).toEqual(scripts.filter((name) => !isDevelopment(name)))
  })

  test('only development helps with code that is being written', () => {
    const help = /did you mean|\bconsole\b|__DEV__/g
    const production = code(scripts.filter((name) => !isDevelopment(name)))
    expect(production.match(help)).toBeNull()
    const development = code(scripts.filter(isDevelopment))
    expect(new Set(development.match(help))).toEqual(new Set(['did you mean', 'console']))
  })

  test('internal members have short names in production, the same in both formats', () => {
    const members = (extension: string) => {
      const production = scripts.filter((name) => !isDevelopment(name) && name.endsWith(extension))
      return new Set([...code(production).matchAll(/\._[0-9a-z]\w*/g)].map(([name]) => name))
    }
    const names = members('.js')
    expect([...names].filter((name) => name.length > 4)).toEqual([])
    expect(names.size).toBeGreaterThan(10)
    expect(members('.cjs')).toEqual(names)
  })
})
