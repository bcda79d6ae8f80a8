// npm run bench -- [suite] [--quick] [--no-newest]: prints the figures and puts them into
// docs/benchmarks.md. `npm run bench -- parse llm cjk` runs those fixtures, `npm run bench -- stream
// await floor` the rows with both words, and neither writes anything; `--quick` does not either, and
// fails where an output is wrong or a figure is far off three times. It leaves out the sizes, which
// size-limit holds.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runnerImport } from 'vite'

// A suite that every Node runs has a section for each; the other ones have one.
const SUITES = {
  parse: { module: 'parse/suite.ts', title: 'Parse', eachNode: true },
  stream: { module: 'stream/suite.ts', title: 'End to end', eachNode: true },
  connections: { module: 'connections/suite.ts', title: 'Connections', eachNode: true },
  chromium: { module: 'chromium/suite.ts', title: 'Chromium', eachNode: false },
  size: { module: 'size.ts', title: 'Size', eachNode: false },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    quick: { type: 'boolean', default: false },
    newest: { type: 'boolean', default: true },
  },
})
const named = positionals.filter((word) => Object.hasOwn(SUITES, word))
const only = positionals.filter((word) => !named.includes(word))
if (only.length > 0 && named.length !== 1) {
  throw new RangeError(
    `Expected some of ${Object.keys(SUITES).join(', ')}, or one with words, got ${positionals.join(' ')}`,
  )
}
const all = Object.keys(SUITES).filter((name) => !values.quick || name !== 'size')
const suites = named.length > 0 ? named : all
const nodes = [process.execPath]
if (values.newest && !values.quick && suites.some((name) => SUITES[name].eachNode)) {
  const node = newestNode()
  if (node === undefined) console.error('No newer Node to be had: this one only.\n')
  else if (major(node) !== major(process.execPath)) nodes.push(node)
}

/** @type {typeof import('./report.ts')} */
const { markdown, merge, regressions } = await load('report.ts')
const sections = []
for (const name of suites) await measure(name)

if (values.quick) {
  let failed = far(sections)
  // A busy neighbour does not come back each time.
  for (let again = 0; again < 2 && failed.length > 0; again++) {
    const before = sections.splice(0)
    const names = new Set(failed.map(({ suite }) => suite))
    for (const name of names) await measure(name)
    failed = far(sections).filter((figure) => far(before).some((other) => isSame(figure, other)))
  }
  for (const regression of regressions(failed)) console.error(`Failed: ${regression}`)
  process.exitCode = failed.length > 0 ? 1 : 0
} else if (only.length === 0) {
  const page = new URL('../../docs/benchmarks.md', import.meta.url)
  writeFileSync(page, merge(readFileSync(page, 'utf8'), sections))
}

function far(sections) {
  return sections.flatMap(({ figures }) => figures.filter((each) => regressions([each]).length > 0))
}

function isSame(a, b) {
  return ['measure', 'subject', 'against'].every((key) => a[key] === b[key])
}

async function measure(name) {
  const { module, title, eachNode } = SUITES[name]
  const { suite } = await load(module)
  for (const node of eachNode ? nodes : nodes.slice(0, 1)) {
    const section = {
      title: eachNode ? `${title}, Node ${major(node)}` : title,
      ranOn: `${ranOn(node)}, \`npm run bench -- ${name}\`.`,
      figures: await suite({ quick: values.quick, node, only }),
    }
    if (section.figures.length === 0) {
      throw new RangeError(`Expected words of one row or more, got ${only.join(' ')}`)
    }
    sections.push(section)
    console.log(`${markdown(section)}\n`)
  }
}

async function load(module) {
  const path = fileURLToPath(new URL(module, import.meta.url))
  const define = { __DEV__: 'true' }
  return (await runnerImport(path, { configFile: false, define })).module
}

/** Its path; the newest one is got from npm, into a folder that git ignores. */
function newestNode() {
  const folder = fileURLToPath(new URL('../../node_modules/.cache/tidings-bench', import.meta.url))
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const wanted = `node-newest@npm:node-${platform}-${process.arch}@latest`
  try {
    const args = ['install', '--no-save', '--silent', '--prefix', folder, wanted]
    execFileSync('npm', args, { shell: process.platform === 'win32' })
  } catch {
    // Without a network, the one of last time will do.
  }
  const binary = process.platform === 'win32' ? 'node.exe' : 'node'
  const path = `${folder}/node_modules/node-newest/bin/${binary}`
  return existsSync(path) ? path : undefined
}

function version(node) {
  return execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim()
}

function major(node) {
  return Number.parseInt(version(node), 10)
}

function ranOn(node) {
  const [cpu] = cpus()
  const machine = `${cpu?.model.trim()}, ${cpus().length} cores, ${process.platform} ${process.arch}`
  return `${new Date().toISOString().slice(0, 10)}, Node ${version(node)}, ${machine}`
}
