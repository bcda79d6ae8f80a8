import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createServer, type ViteDevServer } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { consumer, installLocked, installPackage, root, temporaryFolder } from './packed'

// Which build an app gets by the tool that bundles or runs it. The app says so itself.
const project = consumer('bundlers')
const app = join(project, 'app')
const output = temporaryFolder()
const bundle = join(output, 'main.mjs')

beforeAll(() => {
  installLocked(project)
  installPackage(project)
})

/** Runs a program in the project. The test runner's own NODE_ENV is not for it. */
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(program, args, {
    cwd: project,
    env: { ...process.env, NODE_ENV: undefined, NEXT_TELEMETRY_DISABLED: '1', ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim()
}

const node = (...args: string[]) => run(process.execPath, args)
const bin = (name: string) => join(project, 'node_modules/.bin', name)

describe('runtimes take the development build, unless they are told otherwise', () => {
  const runtimes: [name: string, program: string, ...args: string[]][] = [
    ['Node', process.execPath],
    ['Deno', bin('deno'), 'run', '--allow-all', '--quiet'],
    ['Bun', bin('bun')],
  ]
  test.each(runtimes)('%s', (_, program, ...args) => {
    for (const file of ['main.js', 'main.cjs']) {
      expect(run(program, [...args, join(app, file)])).toBe('development')
      const production = run(program, [...args, '--conditions=production', join(app, file)])
      expect(production).toBe('production')
    }
  })
})

describe('esbuild', () => {
  test.each([
    ['production', []],
    ['production', ['--minify', '--platform=browser']],
    ['production', ['--platform=neutral']],
    ['development', ['--conditions=development']],
    ['development', ['--platform=node']],
    ['production', ['--platform=node', '--conditions=production']],
  ])('%s by %j', (expected, args) => {
    const shared = ['--bundle', '--format=esm', `--outfile=${bundle}`, '--log-level=error']
    run(join(root, 'node_modules/.bin/esbuild'), [join(app, 'main.js'), ...shared, ...args])
    expect(node(bundle)).toBe(expected)
  })
})

describe('Rollup', () => {
  test.each([
    ['production', 'node-resolve'],
    ['production', 'node-resolve={browser:true}'],
    ['development', "node-resolve={exportConditions:['development']}"],
  ])('%s by %s', (expected, plugin) => {
    run(bin('rollup'), [join(app, 'main.js'), '--file', bundle, '--silent', '--plugin', plugin])
    expect(node(bundle)).toBe(expected)
  })
})

describe('webpack takes the build of its mode', () => {
  test.each([
    ['production', 'web'],
    ['development', 'web'],
    ['production', 'node'],
    ['development', 'node'],
    ['production', 'electron-renderer'],
  ])('%s, for %s', (mode, target) => {
    const file = join(output, 'main.cjs')
    node(join(project, 'webpack.js'), mode, target, file)
    expect(node(file)).toBe(mode)
  })
})

describe('Vite', () => {
  const vite = join(root, 'node_modules/vite/bin/vite.js')
  const build = (args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) => {
    const shared = ['build', app, '--outDir', output, '--emptyOutDir', '--logLevel', 'error']
    run(process.execPath, [vite, ...shared, ...args], env)
  }

  test('a page gets production', () => {
    build()
    expect(inFiles(output)).toEqual(['production'])
  })

  test('a page built for development gets development', () => {
    build(['--mode', 'development'], { NODE_ENV: 'development' })
    expect(inFiles(output)).toEqual(['development'])
  })

  test('a server that bundles its packages gets production', () => {
    build(['--ssr', 'main.js', '--config', join(project, 'vite-no-external.js')])
    expect(node(join(output, 'main.js'))).toBe('production')
  })

  describe('its development server', () => {
    let server: ViteDevServer
    beforeAll(async () => {
      server = await createServer({
        configFile: false,
        root: app,
        cacheDir: temporaryFolder(),
        logLevel: 'error',
        server: { port: 0, host: '127.0.0.1', ws: false },
      })
      await server.listen()
    })
    afterAll(() => server.close())

    test('gives a page the development build', async () => {
      const url = server.resolvedUrls?.local[0] ?? ''
      const main = await (await fetch(`${url}main.js`)).text()
      const [, path = ''] = /from "\/(.+?)"/.exec(main) ?? []
      const dependency = await (await fetch(url + path)).text()
      expect(found(dependency)).toBe('development')
    })

    test('renders by the development build', async () => {
      const { build } = await server.ssrLoadModule('/main.js')
      expect(await build).toBe('development')
    })
  })
})

describe('Next', () => {
  test.each(['--turbopack', '--webpack'])(
    '%s: production on both sides',
    (bundler) => {
      const folder = join(project, 'next')
      rmSync(join(folder, '.next'), { recursive: true, force: true })
      node(join(project, 'node_modules/next/dist/bin/next'), 'build', folder, bundler)
      const html = readFileSync(join(folder, '.next/server/app/index.html'), 'utf8')
      expect(/data-build="(\w+)"/.exec(html)?.[1]).toBe('production')
      expect(inFiles(join(folder, '.next/static'))).toEqual(['production'])
      expect(inFiles(join(folder, '.next/server'))).toEqual(['production'])
    },
    120_000,
  )
})

describe('Bun and Deno, as bundlers for browsers', () => {
  test('production by bun build --production, development without', () => {
    const args = ['build', join(app, 'main.js'), '--target=browser', `--outfile=${bundle}`]
    run(bin('bun'), args)
    expect(node(bundle)).toBe('development')
    run(bin('bun'), [...args, '--production'])
    expect(node(bundle)).toBe('production')
  })

  test('production by deno bundle', () => {
    const args = ['bundle', '--quiet', '--platform', 'browser', '--output', bundle]
    run(bin('deno'), [...args, join(app, 'main.js')])
    expect(node(bundle)).toBe('production')
  })
})

/** The build of ours that is in some code, if any. Only the one for development finds near misses. */
function found(code: string): 'production' | 'development' | undefined {
  if (!code.includes('Last-Event-ID')) return undefined
  return code.includes('did you mean') ? 'development' : 'production'
}

/** The builds in a folder's scripts. */
function inFiles(folder: string): unknown[] {
  const builds = readdirSync(folder, { encoding: 'utf8', recursive: true })
    .filter((name) => name.endsWith('.js'))
    .map((name) => found(readFileSync(join(folder, name), 'utf8')))
  return [...new Set(builds)].filter((build) => build !== undefined)
}
