import {
  type Herd,
  ours,
  peak,
  perSecond,
  quantile,
  RETRY,
  type Return,
  simulate,
  WAITS,
} from './herd'
import { plot } from './plot'

export const MINUTE: Herd = { clients: 1_000_000, outage: 60_000, spread: 1000 }

const CLIENTS = [
  ['`events()` of Tidings', WAITS.events, '1 s doubling to 30 s, and up to as much again'],
  ['`EventSource` of Tidings', WAITS.eventSource, '3 s, and up to as much again'],
  ['`EventSource` of Chrome, Safari', WAITS.browser, '3 s'],
  ['`EventSource` of Firefox', WAITS.firefox, '5 s'],
  ['`@microsoft/fetch-event-source`', WAITS.peer, '1 s'],
  [
    '`events()`, `retry: { maxDelay: 10_000 }`',
    ours({ maxDelay: 10_000 }),
    '1 s doubling to 10 s, and up to as much again',
  ],
] as const

/** The figures and the picture for the docs: the same ones in every run. */
export function report(): { markdown: string; svg: string } {
  const returns = CLIENTS.map(([, wait]) => simulate(wait, MINUTE))
  const [events, eventSource, browser] = returns as [Return, Return, Return]
  const lowest = peak(events)

  const minute = table(
    [
      'client',
      'waits',
      'peak a second',
      'times ours',
      'failed attempts each',
      'half back',
      'all back',
    ],
    CLIENTS.map(([name, , waits], index) => {
      const back = returns[index] as Return
      return [
        name,
        waits,
        count(peak(back)),
        (peak(back) / lowest).toFixed(1),
        (back.failures / MINUTE.clients).toFixed(1),
        `${(quantile(back, 0.5) / 1000).toFixed(1)} s`,
        `${(quantile(back, 1) / 1000).toFixed(1)} s`,
      ]
    }),
  )

  const notice = table(
    ['client', 'in one instant', 'within 1 s', 'within 30 s'],
    CLIENTS.map(([name, wait], index) => [
      name,
      count(peak(simulate(wait, { ...MINUTE, spread: 0 }))),
      count(peak(returns[index] as Return)),
      count(peak(simulate(wait, { ...MINUTE, spread: 30_000 }))),
    ]),
  )

  const lengths = table(
    [
      'away for',
      '`events()`',
      `\`events()\`, asked \`retry: ${RETRY}\``,
      '`EventSource`',
      `\`EventSource\`, asked \`retry: ${RETRY}\``,
      'fixed 3 s',
    ],
    [1, 3, 10, 30, 60, 120].map((seconds) => {
      const herd = { ...MINUTE, outage: seconds * 1000 }
      const { events, eventsAsked, eventSource, eventSourceAsked, browser } = WAITS
      const waits = [events, eventsAsked, eventSource, eventSourceAsked, browser]
      return [`${seconds} s`, ...waits.map((wait) => count(peak(simulate(wait, herd))))]
    }),
  )

  return {
    markdown: [
      'Away for 60 s, the loss noticed within 1 s:',
      minute,
      'The same, by how long it takes until all have noticed the loss. Peak arrivals in a second:',
      notice,
      'By how long the server is away. Peak arrivals in a second:',
      lengths,
    ].join('\n\n'),
    svg: plot([
      {
        name: 'peers',
        label: [
          `${count(peak(browser))} in one second: fixed waits`,
          '1 s (@microsoft/fetch-event-source), 3 s (Chrome, Safari), 5 s (Firefox)',
        ],
        counts: perSecond(browser),
      },
      {
        name: 'standard',
        label: [`${count(peak(eventSource))} a second at most`, 'EventSource of Tidings'],
        counts: perSecond(eventSource),
      },
      {
        name: 'events',
        label: [`${count(peak(events))} a second at most`, 'events() of Tidings'],
        counts: perSecond(events),
      },
    ]),
  }
}

/** A number as the docs write it. */
export const count = (number: number) => number.toLocaleString('en')

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [head, head.map(() => '---'), ...rows].map(line).join('\n')
}
