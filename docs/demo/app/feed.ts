// The live feed: prices as plain messages, chat as a custom event, every event counted.
import { EventSource } from 'tidings'
import { onScopeDispose, reactive, shallowReactive } from 'vue'
import { createLedger } from '../ledger.js'
import { bearer, cutTheLine, session } from './session'
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

/** Prices of one symbol that the page keeps and draws. */
export const shown = 24

export type Feed = ReturnType<typeof useFeed>

export function useFeed() {
  const ledger = createLedger()
  const totals = reactive({ received: 0, caughtUp: 0, missed: 0, doubled: 0, reconnects: 0 })
  const quotes = shallowReactive(new Map<string, Quote>())
  const messages = shallowReactive<Message[]>([])

  // #region feed
  const source = new EventSource('/api/prices', {
    headers: bearer,
    idleTimeout: 12_000,
  })
  source.addEventListener('message', onPrice)
  // #endregion
  // #region send
  source.addEventListener('chat', onChat)
  // #endregion

  let openedAt = 0
  let lostAt = 0
  /** The cut under way: where the server broke off, and the line of the story that says so. */
  const cut = { asked: false, event: 0, retell: (_text: string) => {} }
  let back: ((text: string) => void) | undefined
  let backText = ''
  let backCount = 0

  function count(event: MessageEvent, sentAt: number): void {
    ledger.add(event.lastEventId)
    Object.assign(totals, ledger.totals)
    lane.dot({ sentAt, label: event.lastEventId, custom: event.type !== 'message' })
    // Sent while no line was open: the server's log and our last event ID brought it back.
    if (lostAt && sentAt < openedAt) {
      totals.caughtUp += 1
      backCount += 1
      back?.(`${backText} Caught up on ${backCount} ${backCount === 1 ? 'event' : 'events'}.`)
    }
  }

  function onPrice(event: MessageEvent): void {
    const { symbol, price, at } = JSON.parse(event.data)
    count(event, at)
    const history = [...(quotes.get(symbol)?.history ?? []).slice(-(shown - 1)), price]
    quotes.set(symbol, { symbol, price, history })
  }

  function onChat(event: MessageEvent): void {
    const { from, text, at } = JSON.parse(event.data)
    count(event, at)
    messages.push({ id: event.lastEventId, from, text })
    if (messages.length > 50) messages.shift()
  }

  const unwatch = lane.watch(() => source.status)

  source.onopen = () => {
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
  }

  source.onerror = (event) => {
    const wasOpen = lane.status === 'open'
    lane.enter(source.status)
    if (source.status === 'closed') tell('bad', `${event.message}. Retry starts anew.`)
    if (!wasOpen) return
    lostAt = Date.now()
    const expired = lostAt >= session.expiresAt - 250
    lane.tick(cut.asked ? 'cut' : expired ? 'expired' : String(event.code ?? 'ended'))
    if (cut.asked) cut.retell = tell('bad', cutText())
    else if (expired) tell('bad', 'The token expired, and the server ended the stream.')
    else tell('bad', event.message)
    cut.asked = false
  }

  // The line may break before or after the server has said where it broke it.
  const cutText = () =>
    `You cut the line${cut.event ? ` in the middle of event ${cut.event}` : ''}.`

  onScopeDispose(() => {
    source.close()
    unwatch()
  })

  return {
    totals,
    quotes,
    messages,

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
      source.close()
      lane.enter('closed')
      lostAt = Date.now()
      tell('wait', 'You stopped the feed. Retry resumes it where it was.')
    },

    retry() {
      source.reconnect()
    },

    // #region send
    say(text: string) {
      return source.send('chat', text)
    },
    // #endregion
  }
}
