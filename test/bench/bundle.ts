import { mkdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Options } from 'tsup'

/** Ignored by git. */
export const cache = fileURLToPath(
  new URL('../../node_modules/.cache/tidings-bench/', import.meta.url),
)

// One for each process, as a test and a benchmark may run at one time; gone when it ends.
let folder: string | undefined
export function workFolder(): string {
  if (folder !== undefined) return folder
  const made = join(cache, String(process.pid))
  mkdirSync(made, { recursive: true })
  process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  folder = made
  return made
}

/**
 * Makes one plain JavaScript file of a module and all that it imports, our sources included: those of
 * the build that the platform takes by default.
 *
 * @returns the file's path
 */
export async function bundle(entry: URL, options: Options = {}): Promise<string> {
  const path = fileURLToPath(entry)
  const name = basename(path).replace(/\.[jt]s$/, '')
  const outDir = workFolder()
  await build({
    config: false,
    silent: true,
    entry: { [name]: path },
    outDir,
    format: 'esm',
    target: 'es2022',
    platform: 'node',
    define: { __DEV__: String(options.platform !== 'browser') },
    noExternal: [/./],
    outExtension: () => ({ js: '.mjs' }),
    // What CommonJS modules in it ask for.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
    },
    ...options,
  })
  return join(outDir, `${name}.mjs`)
}
