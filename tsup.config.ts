import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Options } from 'tsup'

type Plugin = NonNullable<Options['esbuildPlugins']>[number]

/** The files that package.json exports; they have types. */
const entries = [
  'src/index.ts',
  'src/parser/index.ts',
  'src/faces/fetch-event-source.ts',
  'src/auth/bearer.ts',
  'src/bindings/vue.ts',
  'src/bindings/react.ts',
]

/**
 * A file for each source file. So a bundler drops what an app does not import, and all entries share
 * one engine and one `SseError`, in CommonJS too.
 */
const keepFiles = (extension: string): Plugin => ({
  name: 'keep-files',
  setup(build) {
    build.onResolve({ filter: /^\./ }, ({ path, resolveDir, kind }) => {
      if (kind === 'entry-point') return undefined
      const file = [path, `${path}/index`].find((name) =>
        existsSync(join(resolveDir, `${name}.ts`)),
      )
      return file ? { path: file + extension, external: true, sideEffects: false } : undefined
    })
  },
})

/**
 * A short name for each `_member`, the most frequent first, for all entries and formats. The
 * underscore stays, because a subclass of an app's may have an `a` of its own.
 */
function shortNames(): Record<string, string> {
  const counts = new Map<string, number>()
  for (const path of readdirSync('src', { encoding: 'utf8', recursive: true })) {
    if (!path.endsWith('.ts')) continue
    for (const [name] of readFileSync(join('src', path), 'utf8').matchAll(/\b_[a-z]\w*/g)) {
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([name], index) => [name, `_${index.toString(36)}`]))
}

function javascript(build: 'production' | 'development', format: 'esm' | 'cjs'): Options {
  const files = ['src/**/*.ts', '!src/**/*.d.ts']
  return {
    entry: build === 'production' ? [...files, '!src/development'] : files,
    outDir: build === 'production' ? 'dist' : 'dist/development',
    format,
    target: 'es2022',
    platform: 'neutral',
    sourcemap: format === 'esm',
    splitting: false,
    define: { __DEV__: String(build === 'development') },
    esbuildPlugins: [keepFiles(format === 'esm' ? '.js' : '.cjs')],
    esbuildOptions(options) {
      if (build === 'development') return
      options.mangleProps = /^_[a-z]/
      options.mangleCache = shortNames()
      // Drops what only the development build does. More than that shortens nothing: an app minifies.
      options.minifySyntax = true
    },
  }
}

export default defineConfig([
  javascript('production', 'esm'),
  javascript('production', 'cjs'),
  javascript('development', 'esm'),
  javascript('development', 'cjs'),
  {
    entry: entries,
    format: ['esm', 'cjs'],
    dts: {
      only: true,
      banner: '/// <reference lib="esnext.disposable" />',
      compilerOptions: { stripInternal: true },
    },
  },
])
