import { readFileSync } from 'node:fs'

/** A peer with its version: `'eventsource-parser 4.1.3'`; a name that is no package stays. */
export function withVersion(name: string): string {
  try {
    const manifest = new URL(`../../node_modules/${name}/package.json`, import.meta.url)
    return `${name} ${JSON.parse(readFileSync(manifest, 'utf8')).version}`
  } catch {
    return name
  }
}
