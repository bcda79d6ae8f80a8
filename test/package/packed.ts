import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Of the repository, with a slash at its end. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** A project that uses the package, with a lock of its own: `test/consumers/NAME`. */
export const consumer = (name: string) => join(root, 'test/consumers', name)

function npm(folder: string, ...args: string[]): string {
  const windows = process.platform === 'win32'
  return execFileSync('npm', args, { cwd: folder, encoding: 'utf8', shell: windows })
}

/** Installs what the folder's lock names, unless that has been done. */
export function installLocked(folder: string): void {
  const lock = join(folder, 'package-lock.json')
  const done = join(folder, 'node_modules/.installed-lock.json')
  if (existsSync(done) && readFileSync(done, 'utf8') === readFileSync(lock, 'utf8')) return
  npm(folder, 'ci', '--silent')
  copyFileSync(lock, done)
}

/** Puts the package, as it would be published, into the folder's `node_modules`. */
export function installPackage(folder: string): void {
  const target = join(folder, 'node_modules/tidings')
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  const file = npm(root, 'pack', '--silent', '--pack-destination', target).trim()
  execFileSync('tar', ['-xzf', file, '--strip-components=1'], { cwd: target })
  rmSync(join(target, file))
}

/** A folder that is gone when the process ends. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tidings-')))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
