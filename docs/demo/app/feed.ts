// The live feed: prices as plain messages, chat as a custom event, every event counted.
import { useEventSource } from 'tidings/vue'
import { reactive, shallowReactive, watch } from 'vue'
import { createLedger } from '../ledger.js'
import { cutTheLine, headers, session } from './session'
import { feedLane as lane, tell } from './trace'

export interface Quote {
  symbol: string
  price: number
  history: number[]
}

export interface Message {
  id: string
  from: string
  text: string
}

/** What the server sends: a price, or with type `chat` what somebody said. */
type Sent = Omit<Quote, 'history'> & Omit<Message, 'id'> & { at: number }

/** Prices of one symbol that the page keeps and draws. */
export const shown = 24

export type Feed = ReturnType<typeof useFeed>

export function useFeed() {
  const ledger = createLedger()
  const totals = reactive({ received: 0, caughtUp: 0, missed: 0, doubled: 0, reconnects: 0 })
  const quotes = shallowReactive(new Map<string, Quote>())
  const messages = shallowReactive<Message[]>([])

  // #region feed
  const { eventSource, event, data } = useEventSource('/api/prices', ['chat'], {
    headers,
    idleTimeout: 12_000,
    serializer: {
      read: (text = '') => JSON.parse(text),
    },
  })
  // #endregion feed

  // #region chat
  // In sync: every event, not only the last of a chunk.
  watch(data, take, { flush: 'sync' })

  function take(sent: Sent) {
    if (event.value === 'chat') addMessage(sent)
    else addPrice(sent)
  }

  function say(text: string) {
    return eventSource.value?.send('chat', text)
  }
  // #endregion chat

  const source = eventSource.value
  lane.follow(() => source?.status ?? 'closed')

  let openedAt = 0
  let lostAt = 0
  /** The cut under way: where the server broke off, and the line of the story that says so. */
  const cut = { asked: false, event: 0, retell: (_text: string) => {} }
  let back: ((text: string) => void) | undefined
  let backText = ''
  let backCount = 0

  /** Counts an event, and returns its number. */
  function count(sentAt: number): string {
    const id = source?.lastEventId ?? ''
    ledger.add(id)
    Object.assign(totals, ledger.totals)
    lane.dot({ sentAt, label: id, custom: event.value === 'chat' })
    // Sent while no line was open: the server's log and our last event ID brought it back.
    if (lostAt && sentAt < openedAt) {
      totals.caughtUp += 1
      backCount += 1
      back?.(`${backText} Caught up on ${backCount} ${backCount === 1 ? 'event' : 'events'}.`)
    }
    return id
  }

  function addPrice({ symbol, price, at }: Sent): void {
    count(at)
    const history = [...(quotes.get(symbol)?.history ?? []).slice(-(shown - 1)), price]
    quotes.set(symbol, { symbol, price, history })
  }

  function addMessage({ from, text, at }: Sent): void {
    messages.push({ id: count(at), from, text })
    if (messages.length > 50) messages.shift()
  }

  source?.addEventListener('open', () => {
    lane.enter('open')
    openedAt = Date.now()
    backCount = 0
    if (!lostAt) {
      tell('good', 'Connected, with the token in the Authorization header.')
      return
    }
    totals.reconnects += 1
    const seconds = ((openedAt - lostAt) / 1000).toFixed(1)
    backText = `Back after ${seconds} s, resumed after event ${ledger.totals.last}.`
    back = tell('good', backText)
  })

  source?.addEventListener('error', ({ message, code }) => {
    const wasOpen = lane.status === 'open'
    lane.enter(source.status)
    if (source.status === 'closed') tell('bad', `${message}. Retry starts anew.`)
    if (!wasOpen) return
    lostAt = Date.now()
    const expired = lostAt >= session.expiresAt - 250
    lane.tick(cut.asked ? 'cut' : expired ? 'expired' : String(code ?? 'ended'))
    if (cut.asked) cut.retell = tell('bad', cutText())
    else if (expired) tell('bad', 'The token expired, and the server ended the stream.')
    else tell('bad', message)
    cut.asked = false
  })

  // The line may break before or after the server has said where it broke it.
  const cutText = () =>
    `You cut the line${cut.event ? ` in the middle of event ${cut.event}` : ''}.`

  return {
    totals,
    quotes,
    messages,
    say,

    async cut() {
      Object.assign(cut, { asked: true, event: 0, retell: () => {} })
      try {
        const event = await cutTheLine()
        cut.event = event ?? 0
        cut.retell(cutText())
        // Nothing was open to be cut: the next break is none of our doing.
        if (event === undefined) cut.asked = false
      } catch (error) {
        cut.asked = false
        tell('bad', String(error))
      }
    },

    stop() {
      // The source's own: close() of the binding lets go of the source, and so of its place.
      source?.close()
      lane.enter('closed')
      lostAt = Date.now()
      tell('wait', 'You stopped the feed. Retry resumes it where it was.')
    },

    retry: () => source?.reconnect(),
  }
}
