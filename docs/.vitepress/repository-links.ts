import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'

/**
 * Pages are read in the repository too, and link to its files. On the site such a link is its text;
 * one that leads nowhere ends the build.
 *
 * @param site - the folder of the pages
 */
export function repositoryLinks(md: MarkdownRenderer, site: string): void {
  md.core.ruler.after('inline', 'repository-links', ({ tokens, env }) => {
    for (const { children } of tokens) {
      let outside = false
      for (const token of children ?? []) {
        const href = token.attrGet('href')
        if (token.type === 'link_open' && href && !/^(\w+:|[/#])/.test(href)) {
          const target = resolve(dirname(env.path), href.replace(/#.*/, ''))
          outside = /^(\.\.|demo)(\/|$)/.test(relative(site, target))
          if (outside && !existsSync(target)) throw new Error(`${env.path}: no file at ${href}`)
        }
        if (!outside || !token.type.startsWith('link_')) continue
        if (token.type === 'link_close') outside = false
        token.type = 'html_inline'
        token.content = ''
      }
    }
  })
}
