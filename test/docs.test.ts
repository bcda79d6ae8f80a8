import { existsSync, readdirSync, readFileSync } from 'node:fs'
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

const own = (folder: string) =>
  readdirSync(new URL(`../${folder}`, import.meta.url), {
    encoding: 'utf8',
    recursive: folder !== '',
  })
    .filter((name) => name.endsWith('.md') && !/^(reference|\.vitepress)\b/.test(name))
    .map((name) => folder + name.replaceAll('\\', '/'))

test.each([...own(''), ...own('docs/')])('every link to a file in %s leads somewhere', (page) => {
  const prose = read(page).replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
  const links = [...prose.matchAll(/\]\((?!\w+:|#)([^)#]+)/g)].map(([, link]) => link as string)
  const dead = links.filter((link) => {
    // By the root of the site: a file that is served as it is, or made by the build, as are the pages
    // of the reference. The build finds these.
    if (link.startsWith('/') || /\breference\//.test(link)) return false
    return !existsSync(new URL(link, new URL(`../${page}`, import.meta.url)))
  })
  expect(dead).toEqual([])
})

test('every file of the library is in the map of the house', () => {
  const map = read('CONTRIBUTING.md')
  const files = readdirSync(new URL('../src', import.meta.url)).filter(
    (name) => name !== 'index.ts',
  )
  expect(files.filter((name) => !map.includes(`\`${name}\``))).toEqual([])
})
