import type { Figure } from './figure'

/** The figures of one suite and one runtime. */
export interface Section {
  /** The section of this title is replaced: `'Parse, Node 20'`. */
  title: string
  /** What ran it: machine, versions, date, command. */
  ranOn: string
  figures: readonly Figure[]
}

const start = '<!-- npm run bench -->'
const end = '<!-- end -->'

/** Puts the sections into the page in place of those of the same title, and leaves the others. */
export function merge(page: string, sections: readonly Section[]): string {
  const [head, rest] = page.split(`${start}\n`)
  const [old, foot] = (rest ?? '').split(end)
  if (head === undefined || old === undefined || foot === undefined) {
    throw new Error(`Expected the marks ${start} and ${end} in the page`)
  }
  const kept = new Map<string, string>()
  for (const part of old.split(/^(?=### )/m)) {
    const title = /^### (.*)/.exec(part)?.[1]
    if (title !== undefined) kept.set(title, part.trim())
  }
  for (const section of sections) kept.set(section.title, markdown(section))
  const ordered = [...kept].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1))
  const body = ordered.map(([, text]) => `${text}\n\n`).join('')
  return `${head}${start}\n\n${body}${end}${foot}`
}

const READS = ['times as fast', 'times the cost'] as const

const ORDER = ['Parse', 'End to end', 'Connections', 'Chromium', 'Size']

function rank(title: string): number {
  return ORDER.findIndex((name) => title.startsWith(name))
}

/** A section as Markdown: what has a goal first, then the rest, then what was wrong. */
export function markdown({ title, ranOn, figures }: Section): string {
  const goals = figures.filter(({ goal }) => goal !== undefined)
  const others = figures.filter(({ goal }) => goal === undefined)
  const wrong = figures.filter((figure) => figure.wrong !== undefined)
  const parts = [`### ${title}`, ranOn]
  if (goals.length > 0) parts.push(list(goals))
  if (others.length > 0) parts.push(...(crossable(others) ? crosses(others) : [list(others)]))
  if (wrong.length > 0) {
    parts.push(`Wrong:\n\n${wrong.map((f) => `- ${f.measure}: ${f.wrong}`).join('\n')}`)
  }
  return parts.join('\n\n')
}

/**
 * What must not be, in the quick mode: a wrong output of ours, or a ratio beyond half its goal, or
 * for a cost twice its goal. Smaller misses may be the noise of the machine.
 */
export function regressions(figures: readonly Figure[]): string[] {
  return figures.flatMap((figure) => {
    const { measure, subject, against, ratio, reads, goal, wrong } = figure
    if (wrong !== undefined) return theirs(figure) ? [] : [`${measure}: ${wrong}`]
    if (goal === undefined) return []
    const fits = reads === 'times as fast' ? ratio >= goal / 2 : ratio <= goal * 2
    if (fits) return []
    return [`${measure}: ${subject} against ${against}: ${shown(figure)}, not ${aim(figure)}`]
  })
}

/** Whose output is wrong: the text begins with the side that it is about, version or not. */
function theirs({ against, wrong }: Figure): boolean {
  const name = against.replace(/ \d\S*$/, '')
  return [against, name].some((side) => wrong?.startsWith(`${side}: `))
}

/** One figure a line. */
function list(figures: readonly Figure[]): string {
  const subjects = new Set(figures.map(({ subject }) => subject))
  const goals = figures.some(({ goal }) => goal !== undefined)
  const several = subjects.size > 1
  return table(
    [
      'measure',
      ...(several ? ['of Tidings'] : []),
      'against',
      'ratio',
      ...(goals ? ['goal'] : []),
      'ours',
      'theirs',
    ],
    figures.map((figure) => [
      figure.measure,
      ...(several ? [figure.subject] : []),
      figure.against,
      cell(figure),
      ...(goals ? [`${aim(figure)}${met(figure) ? '' : ', missed'}`] : []),
      figure.absolute.subject,
      figure.absolute.against,
    ]),
  )
}

/** Whether one subject meets the same rivals in measure after measure. */
function crossable(figures: readonly Figure[]): boolean {
  const distinct = (of: (figure: Figure) => string) => new Set(figures.map(of)).size
  return distinct((f) => f.subject) === 1 && distinct((f) => f.against) < distinct((f) => f.measure)
}

/** For each way to read a ratio a table: a measure a line, a rival a column. */
function crosses(figures: readonly Figure[]): string[] {
  return READS.flatMap((reads) => {
    const shared = figures.filter((figure) => figure.reads === reads)
    if (shared.length === 0) return []
    const rivals = [...new Set(shared.map(({ against }) => against))]
    const measures = [...new Set(shared.map(({ measure }) => measure))]
    const rows = measures.map((measure) => [
      measure,
      ...rivals.map((rival) => {
        const found = shared.find((f) => f.measure === measure && f.against === rival)
        if (found === undefined) return ''
        return found.wrong === undefined ? number(found) : 'wrong'
      }),
    ])
    return [table([`${reads} as`.replace('cost as', 'cost of'), ...rivals], rows)]
  })
}

function cell(figure: Figure): string {
  return figure.wrong === undefined ? shown(figure) : 'wrong'
}

function shown(figure: Figure): string {
  return `${number(figure)} ${figure.reads}`
}

function number({ ratio }: Figure): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2)
}

function aim({ goal, reads }: Figure): string {
  if (goal === undefined) return ''
  return `${reads === 'times as fast' ? 'at least' : 'at most'} ${Number(goal.toFixed(2))}`
}

function met({ ratio, reads, goal, wrong }: Figure): boolean {
  if (goal === undefined) return true
  if (wrong !== undefined) return false
  // As it is printed: 1.30 meets a goal of 1.3.
  const printed = Number(ratio.toFixed(2))
  return reads === 'times as fast' ? printed >= goal : printed <= goal
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
