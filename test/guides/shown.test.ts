import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
const guides = readdirSync(new URL('../../docs/guide', import.meta.url))
  .map((name) => read(`../../docs/guide/${name}`))
  .join('\n')

/**
 * The samples of a file, each between its `#region` and `#endregion`, without their indentation and
 * without the blank line that the formatter wants before an export.
 */
function regions(file: string): string[] {
  return [
    ...read(`samples/${file}`).matchAll(/^( *)\/\/ #region.*\n([\s\S]*?)^ *\/\/ #endregion/gm),
  ].map(([, indentation, text]) =>
    (text as string).replaceAll(new RegExp(`^${indentation}`, 'gm'), '').trimEnd(),
  )
}

test.each(readdirSync(new URL('samples', import.meta.url)))(
  'what is tested of %s is what a guide shows, letter by letter',
  (file) => {
    const shown = regions(file)
    const end = '\n```\n'
    expect(shown.length).toBeGreaterThan(0)
    for (const text of shown) expect(guides.includes(text + end), text).toBe(true)
  },
)
