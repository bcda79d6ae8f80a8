import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

test('every error code has a heading in the docs', () => {
  const codes = [...read('src/errors.ts').matchAll(/^ {2}\| '([a-z-]+)'$/gm)].map(
    ([, code]) => code,
  )
  expect(codes).toContain('network')
  const headings = [...read('docs/errors.md').matchAll(/^## `(.+)`$/gm)].map(([, code]) => code)
  expect(headings).toEqual(codes)
})

test.each([
  'README.md',
  'CONTRIBUTING.md',
  'docs/errors.md',
  'docs/migrating.md',
  'docs/reliability.md',
  'docs/spec.md',
  'docs/herd.md',
  'docs/auth.md',
  'docs/typed-events.md',
])('every link to a file in %s leads somewhere', (page) => {
  const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link]) => link)
  for (const link of links) {
    expect(() =>
      readFileSync(new URL(link as string, new URL(`../${page}`, import.meta.url))),
    ).not.toThrow()
  }
})

test('every file of the library is in the map of the house', () => {
  const map = read('CONTRIBUTING.md')
  const files = readdirSync(new URL('../src', import.meta.url)).filter(
    (name) => name !== 'index.ts',
  )
  expect(files.filter((name) => !map.includes(`\`${name}\``))).toEqual([])
})
