// npm run simulate: prints the figures, and puts them and the plot into the docs.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

/** @type {{ module: typeof import('./report.ts') }} */
const { module } = await runnerImport(fileURLToPath(new URL('report.ts', import.meta.url)), {
  configFile: false,
  define: { __DEV__: 'true' },
})
const { markdown, svg } = module.report()
console.log(markdown)

const docs = new URL('../../docs/', import.meta.url)
writeFileSync(new URL('herd.svg', docs), svg)
const page = new URL('herd.md', docs)
const marked = /(<!-- npm run simulate -->\n)[\s\S]*(<!-- end -->)/
writeFileSync(
  page,
  readFileSync(page, 'utf8').replace(marked, (_, start, end) => `${start}\n${markdown}\n\n${end}`),
)
