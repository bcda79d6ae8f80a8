/** @typedef {{ id: number, wire: string }} Event one event, numbered and ready to be sent */

/**
 * One numbered sequence of events: live for whoever listens, and the last `limit` for whoever was
 * away.
 *
 * @param {{ limit: number }} options
 */
export function createChannel({ limit }) {
  /** @type {Event[]} */
  const log = []
  /** @type {Set<(event: Event) => void>} */
  const subscribers = new Set()
  let latest = 0

  return {
    /** The number of the newest event. */
    get latest() {
      return latest
    },

    /** @param {string} type @param {unknown} data */
    publish(type, data) {
      latest += 1
      // JSON has no raw line break, so nothing a user types can end a line of the stream.
      const lines = [`id: ${latest}`, `data: ${JSON.stringify(data)}`]
      if (type !== 'message') lines.unshift(`event: ${type}`)
      const event = { id: latest, wire: `${lines.join('\n')}\n\n` }
      log.push(event)
      if (log.length > limit) log.shift()
      for (const send of subscribers) send(event)
      return event
    },

    /** What came after event `id`, as far back as the log goes. @param {number} id */
    after(id) {
      return log.filter((event) => event.id > id)
    },

    /** @param {(event: Event) => void} send */
    subscribe(send) {
      subscribers.add(send)
      return () => subscribers.delete(send)
    },
  }
}
