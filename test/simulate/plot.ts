/** One curve: its class, what to write beside it, and arrivals by the second. */
export interface Series {
  readonly name: string
  readonly label: readonly string[]
  readonly counts: readonly number[]
}

const WIDTH = 860
const HEIGHT = 440
const LEFT = 92
const RIGHT = 828
const TOP = 64
const BOTTOM = 376
const SECONDS = 62
const MOST = 1_000_000

const x = (second: number) => round(LEFT + ((RIGHT - LEFT) * second) / SECONDS)
const y = (count: number) => round(BOTTOM - ((BOTTOM - TOP) * count) / MOST)
const round = (number: number) => Math.round(number * 10) / 10

// It paints its own ground: a page may be dark where the system is light.
const STYLE = `
    svg { --ground: #fff; --ink: #1f2328; --soft: #59636e; --line: #d8dee4;
      --peers: #c93c37; --standard: #b26a00; --events: #0b6bcb }
    @media (prefers-color-scheme: dark) { svg { --ground: #14181f; --ink: #e6edf3; --soft: #9aa6b2;
      --line: #2d343d; --peers: #ff7b72; --standard: #e3a33b; --events: #58a6ff } }
    text { font: 14px system-ui, sans-serif; fill: var(--soft) }
    .title { font-size: 17px; font-weight: 600; fill: var(--ink) }
    .name { font-weight: 600 }
    .line { stroke: var(--line) }
    .area { stroke-width: 1.5; fill-opacity: .25 }
    .peers { stroke: var(--peers); fill: var(--peers) }
    .standard { stroke: var(--standard); fill: var(--standard) }
    .events { stroke: var(--events); fill: var(--events) }
    text.peers, text.standard, text.events { stroke: none }`

/** A picture of arrivals after the server's return, on linear scales: equal areas, equal herds. */
export function plot(series: readonly Series[]): string {
  const grid = [0, 250_000, 500_000, 750_000, MOST].map(
    (count) =>
      `<path class="line" d="M${LEFT} ${y(count)}H${RIGHT}"/>
  <text x="${LEFT - 10}" y="${y(count) + 5}" text-anchor="end">${count.toLocaleString('en')}</text>`,
  )
  const seconds = [0, 10, 20, 30, 40, 50, 60].map(
    (second) => `<text x="${x(second)}" y="${BOTTOM + 24}" text-anchor="middle">${second} s</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title">
  <style>${STYLE}
  </style>
  <rect width="${WIDTH}" height="${HEIGHT}" rx="8" style="fill: var(--ground)"/>
  <text class="title" id="title" x="20" y="32">A million clients return to a server that was away for 60 s: arrivals per second</text>
  ${[...grid, ...seconds, ...series.map(area), ...series.map(label)].join('\n  ')}
  <text x="${(LEFT + RIGHT) / 2}" y="${BOTTOM + 48}" text-anchor="middle">since the server's return</text>
</svg>
`
}

function area({ name, counts }: Series): string {
  const steps = counts.map((count, second) => `V${y(count)}H${x(second + 1)}`)
  return `<path class="area ${name}" d="M${LEFT} ${BOTTOM}${steps.join('')}V${BOTTOM}z"/>`
}

/** To the right of a steep series, above the middle of a broad one. */
function label({ name, label: lines, counts }: Series): string {
  const most = Math.max(...counts)
  const broad = counts.length > SECONDS / 2
  const left = broad ? x(counts.length / 2) : x(counts.length) + 12
  const top = broad ? y(most) - 34 : y(most) + 14
  return lines
    .map((line, index) => {
      const weight = index === 0 ? ' name' : ''
      return `<text class="${name}${weight}" x="${left}" y="${top + 20 * index}">${line}</text>`
    })
    .join('\n  ')
}
