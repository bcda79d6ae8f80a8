import { readFileSync } from 'node:fs'
import type { DefaultTheme } from 'vitepress'

type Item = DefaultTheme.SidebarItem

/** The entries of the reference that TypeDoc has made, side by side: it nests them by the slash. */
export function reference(): Item {
  const file = new URL('../reference/typedoc-sidebar.json', import.meta.url)
  const [main] = JSON.parse(readFileSync(file, 'utf8')) as Required<Item>[]
  if (!main) throw new Error('Expected an entry in docs/reference, got none')
  const isEntry = ({ link }: Item) => link?.endsWith('/')
  const others = main.items
    .filter(isEntry)
    .map((entry) => ({ ...entry, text: `${main.text}/${entry.text}` }))
  const kinds = main.items.filter((item) => !isEntry(item))
  const link = '/reference/tidings/'
  return {
    text: 'Reference',
    link: '/reference/',
    items: [{ ...main, link, items: kinds }, ...others],
  }
}
