import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** A program under way. */
export interface Program {
  readonly exitCode: Promise<number | null>
  /** The next lines that it prints. */
  lines(count: number): Promise<string[]>
  /** Ends it, as Ctrl+C would. */
  stop(): Promise<void>
}

/** A folder as somebody has it who has followed a page: the packages installed, files saved. */
export interface Folder {
  readonly path: string
  save(file: string, code: string): void
  run(file: string): Program
}

/** A folder outside the repository, with the built package in it. It goes with its test. */
export function newFolder(packages: readonly string[]): Folder {
  const path = mkdtempSync(join(tmpdir(), 'tidings-page-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  mkdirSync(join(path, 'node_modules'))
  symlinkSync(repository, join(path, 'node_modules/tidings'))
  for (const name of packages) {
    symlinkSync(join(repository, 'node_modules', name), join(path, 'node_modules', name))
  }
  return {
    path,
    save(file, code) {
      mkdirSync(dirname(join(path, file)), { recursive: true })
      writeFileSync(join(path, file), code)
    },
    run: (file) => run(path, file),
  }
}

function run(cwd: string, file: string): Program {
  const child = spawn(process.execPath, [file], { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  const exitCode = once(child, 'exit').then(([code]) => code as number | null)
  const output = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const stop = async () => {
    child.kill('SIGINT')
    await exitCode
  }
  onTestFinished(stop)
  return {
    exitCode,
    stop,
    async lines(count) {
      const lines: string[] = []
      while (lines.length < count) {
        const { done, value } = await output.next()
        if (done) throw new Error(`Expected ${count} lines of ${file}, got ${lines.length}`)
        lines.push(value)
      }
      return lines
    },
  }
}

/** A port that nobody listened on just now, for a sample that names one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
