import { randomBytes } from 'node:crypto'

/** @typedef {{ id: number, name: string }} User */

/**
 * Short-lived access tokens, and the long-lived credential that buys new ones. In memory: a restart
 * logs everybody out.
 *
 * @param {{ tokenSeconds: number, limit?: number }} options `limit` is the number of users kept.
 */
export function createSessions({ tokenSeconds, limit = 1000 }) {
  /** @type {Map<string, { user: User, expiresAt: number }>} */
  const grants = new Map()
  /** @type {Map<string, User>} */
  const users = new Map()
  let logins = 0

  const secret = () => randomBytes(24).toString('base64url')

  /** @param {User} user */
  function issue(user) {
    const now = Date.now()
    for (const [token, { expiresAt }] of grants) if (expiresAt <= now) grants.delete(token)
    const token = secret()
    const expiresAt = now + tokenSeconds * 1000
    grants.set(token, { user, expiresAt })
    return { token, expiresAt }
  }

  return {
    /** Any name will do. @param {unknown} name */
    login(name) {
      const given = typeof name === 'string' ? name.trim().slice(0, 24) : ''
      logins += 1
      const user = { id: logins, name: given || 'guest' }
      const refresh = secret()
      users.set(refresh, user)
      for (const oldest of users.keys()) {
        if (users.size <= limit) break
        users.delete(oldest)
      }
      return { refresh, ...issue(user) }
    },

    /** @param {string | undefined} refresh */
    refresh(refresh) {
      const user = users.get(refresh ?? '')
      return user && issue(user)
    },

    /** Whose token this is, as long as it lives. @param {string | undefined} token */
    check(token) {
      const grant = grants.get(token ?? '')
      return grant && grant.expiresAt > Date.now() ? grant : undefined
    },
  }
}
