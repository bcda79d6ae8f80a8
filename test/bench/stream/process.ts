import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Milliseconds that a job may take. */
const TIME_LIMIT = 120_000

/** Starts a server process, which prints its port. */
export async function startServer(path: string): Promise<{ origin: string; stop(): void }> {
  const server = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [port] = await once(createInterface(server.stdout), 'line')
  return { origin: `http://127.0.0.1:${port}`, stop: () => server.kill() }
}

/** Does a job in a process of its own, which prints what came of it. */
export async function runClient<Outcome>(
  node: string,
  path: string,
  job: object,
): Promise<Outcome> {
  const args = ['--expose-gc', path, JSON.stringify(job)]
  const { stdout } = await run(node, args, { timeout: TIME_LIMIT })
  return JSON.parse(stdout)
}

/** `20` for Node 20.20.2. */
export async function majorOf(node: string): Promise<number> {
  const { stdout } = await run(node, ['-p', 'process.versions.node'])
  return Number.parseInt(stdout, 10)
}
