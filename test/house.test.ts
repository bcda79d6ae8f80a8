import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const src = join(import.meta.dirname, '../src')

/** What each layer may import, beside itself. `parts` are for every face, and know none. */
const MAY_IMPORT: Record<string, string[]> = {
  platform: [],
  errors: ['platform'],
  abort: ['platform', 'errors'],
  development: ['platform', 'errors', 'abort'],
  parser: ['platform', 'errors', 'development'],
  transport: ['platform', 'errors', 'abort', 'parser', 'development'],
  session: ['platform', 'errors', 'abort', 'parser', 'transport', 'development'],
  parts: ['platform', 'errors', 'abort', 'parser', 'transport', 'session', 'development'],
  faces: ['platform', 'errors', 'abort', 'parser', 'transport', 'session', 'parts', 'development'],
  auth: ['platform', 'errors', 'abort', 'transport', 'development'],
  bindings: [
    'platform',
    'errors',
    'abort',
    'parser',
    'transport',
    'session',
    'parts',
    'faces',
    'development',
  ],
  index: ['errors', 'parser', 'transport', 'session', 'parts', 'faces'],
}

interface Import {
  readonly from: string
  readonly to: string
  /** Of types alone: nothing of it is left in what runs. */
  readonly types: boolean
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.d.ts'),
)

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(src, file), 'utf8').replace(/^ \*.*$/gm, '')
  return [...text.matchAll(/(?:import|export) (type )?[^;'"]*?from '(\.[^']+)'/g)].map(
    ([, type, path]) => ({
      from: file,
      to: `${relative(src, join(src, dirname(file), path as string))}.ts`,
      types: !!type,
    }),
  )
})

const layerOf = (file: string) => file.replace(/(\/.*|\.ts)$/, '')

describe('the house', () => {
  test('has the layers of its plan, and nothing beside them', () => {
    expect(new Set(files.map(layerOf))).toEqual(new Set(Object.keys(MAY_IMPORT)))
  })

  test.each(Object.entries(MAY_IMPORT))('%s imports downwards only', (layer, allowed) => {
    const others = imports
      .filter(({ from, to }) => layerOf(from) === layer && layerOf(to) !== layer)
      // The type of an error's event is the one thing that is looked up from below.
      .filter(({ to, types }) => !(layer === 'errors' && types && to === 'parser/event.ts'))
    expect(others.filter(({ to }) => !allowed.includes(layerOf(to)))).toEqual([])
  })

  test('no import of what runs goes in a circle', () => {
    const runs = new Map<string, string[]>()
    for (const { from, to, types } of imports) {
      if (!types) runs.set(from, [...(runs.get(from) ?? []), to])
    }
    const seen = new Map<string, 'open' | 'done'>()
    const visit = (file: string, path: string[]): void => {
      if (seen.get(file) === 'done') return
      expect(seen.get(file), [...path, file].join(' -> ')).toBeUndefined()
      seen.set(file, 'open')
      for (const to of runs.get(file) ?? []) visit(to, [...path, file])
      seen.set(file, 'done')
    }
    for (const file of files) visit(file, [])
  })
})
