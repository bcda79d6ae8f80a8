import { events } from 'tidings'
import { type BearerOptions, bearer } from 'tidings/auth'

const options: BearerOptions = {
  token: undefined,
  refresh: async (signal) => ({ token: signal.aborted ? 'old' : 'new', expiresAt: undefined }),
  leeway: 1000,
}

export const feed = events('/feed', { headers: bearer(options) })
