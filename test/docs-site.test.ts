import { execFile } from 'node:child_process'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { chinese, english } from '../docs/.vitepress/pages'
import { checkSamples } from '../docs/.vitepress/samples'
import { samplesOf } from './support/samples'

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url))

interface Item {
  text?: string | undefined
  link?: string | undefined
  items?: Item[] | undefined
}
/** The pages of a sidebar: link and text. */
const entries = (items: Item[]): [link: string, text: string][] =>
  items.flatMap(({ link, text = '', items }) => [
    ...(link ? [[link, text] as [string, string]] : []),
    ...entries(items ?? []),
  ])

test('every page of the docs is in a sidebar, and every link of a sidebar is a page', () => {
  const pages = readdirSync(path('docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !/^(demo|reference|\.vitepress)\b/.test(name))
    .map((name) => `/${name.replace(/\.md$/, '').replaceAll('\\', '/')}`)
  const homes = ['/index', '/zh/index']
  const reference = '/reference/'
  const links = [...entries(english), ...entries(chinese)].map(([link]) => link)
  const listed = new Set([...homes, ...links])
  listed.delete(reference)
  expect([...listed].sort()).toEqual(pages.sort())
})

test.each(entries(english))('%s is in the sidebar by its title', (link, text) => {
  expect(readFileSync(path(`docs${link}.md`), 'utf8')).toMatch(`# ${text}\n`)
})

/** Does what the build does with a block of code. */
const build = (lang: string, code: string) => {
  const options = { lang, meta: { __raw: 'twoslash' } }
  const { preprocess } = samples
  return preprocess?.call({ options, meta: {} } as never, code, options as never)
}
const samples = checkSamples()

test.each([
  ['ts', "import { events } from 'tidings'\nevents('/', { metod: 'POST' })", "'metod'"],
  ['ts', "import { useEvents } from 'tidings'", 'useEvents'],
  ['tsx', 'export const Price = () => <p onClik={show} />', 'onClik'],
  [
    'vue',
    '<script setup lang="ts">\nconst price = 1\n</script>\n<template>{{ prise }}</template>',
    'prise',
  ],
])('a sample in %s that is wrong ends the build: %s', (lang, code, named) => {
  expect(() => build(lang, code)).toThrow(named)
})

test('a sample that is right is shown without what it hides, whatever came before it', () => {
  const code =
    "import { events } from 'tidings'\n// ---cut---\nfor await (const { data } of events('/')) show(data)"
  expect(build('ts', code)).toBe("for await (const { data } of events('/')) show(data)")
})

test('the samples of the README are right', () => {
  const codes = samplesOf('README.md').filter(({ language }) => language === 'ts')
  expect(codes.length).toBeGreaterThan(0)
  for (const { code } of codes) build('ts', code)
}, 60_000)

const example = '@example\n * ```ts\n * 1\n * ```'
const fine = `/** A number.\n *\n * ${example}\n */\nexport const a = 1`

/** What TypeDoc says to an entry beside one that is fine. */
async function document(entry: string): Promise<string> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tidings-')))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'entry.ts'), entry)
  writeFileSync(join(folder, 'index.ts'), fine)
  writeFileSync(join(folder, 'tsconfig.json'), '{ "compilerOptions": { "types": [] } }')
  const options = {
    extends: [path('docs/.vitepress/typedoc.json')],
    tsconfig: 'tsconfig.json',
    entryPoints: ['entry.ts', 'index.ts'],
    out: 'out',
    intentionallyNotExported: [],
    intentionallyNotDocumented: [],
  }
  writeFileSync(join(folder, 'typedoc.json'), JSON.stringify(options))
  const typedoc = [
    path('node_modules/typedoc/bin/typedoc'),
    '--options',
    folder,
    '--pretty',
    'false',
  ]
  return promisify(execFile)(process.execPath, typedoc).then(
    () => 'fine',
    ({ stdout, stderr }) => stdout + stderr,
  )
}

test('a public name that has no doc comment, or no example, ends the build', async () => {
  expect(await document(fine)).toBe('fine')
  const said = await document(
    `export const bare = 1\n/** ${example} */\nexport interface Half { member: string }\n/** A number. */\nexport const dry = 1`,
  )
  expect(said).toContain('bare (Variable)')
  expect(said).toContain('Half.member (Property)')
  expect(said).toContain('tidings/entry.dry has no @example')
}, 60_000)
