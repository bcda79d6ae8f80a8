import { events } from 'tidings'
import { bearer } from 'tidings/auth'

const headers = bearer(({ refresh, signal }) => (refresh && !signal.aborted ? 'new' : undefined), {
  leeway: 1000,
  lock: 'session',
})

export const feed = events('/feed', { headers })
headers.expire()
