import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { build, type Rolldown } from 'vite'

const built = new Map<string, Promise<string>>()

/**
 * Runs a program that imports from `src` in a Node process of its own and returns what it printed,
 * by line. Built from the sources, not from `dist`, which may be older.
 */
export async function runChild(
  program: URL,
  args: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<{ lines: string[]; errors: string; code: number | null }> {
  const code = built.get(program.href) ?? bundle(program)
  built.set(program.href, code)
  const source = await code
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-', ...args], {
    // What a developer is told on the console is no error.
    env: { ...process.env, NODE_ENV: 'production' },
  })
  let text = ''
  let errors = ''
  child.stdout.on('data', (bytes) => {
    text += bytes
  })
  child.stderr.on('data', (bytes) => {
    errors += bytes
  })
  child.stdin.end(source)
  const exit = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { lines: text.split('\n').filter(Boolean), errors, code: exit }
}

async function bundle(program: URL): Promise<string> {
  const output = await build({
    configFile: false,
    logLevel: 'silent',
    // The build that the test itself runs on.
    define: { __DEV__: `${__DEV__}` },
    build: {
      ssr: true,
      write: false,
      minify: false,
      target: 'node20',
      rolldownOptions: { input: fileURLToPath(program) },
    },
  })
  return (output as Rolldown.RolldownOutput).output[0].code
}
