import { EventEmitter } from 'node:events'
import express from 'express'

// #region
const app = express()
const log: string[] = [] // A table or a Redis stream: it must outlive the process.
const news = new EventEmitter().setMaxListeners(0)

function publish(text: string) {
  log.push(text)
  news.emit('more')
}

app.get('/feed', (request, response) => {
  const id = request.get('last-event-id') ?? ''
  let sent = /^\d+$/.test(id) ? Number(id) : log.length
  response.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform' })
  response.write(`id: ${sent}\n\n`) // A place to resume from, before the first event.
  const more = () => {
    for (; sent < log.length; sent++) {
      response.write(`id: ${sent + 1}\ndata: ${JSON.stringify(log[sent])}\n\n`)
    }
  }
  const heartbeat = setInterval(() => response.write(':\n\n'), 15_000)
  news.on('more', more)
  response.on('close', () => {
    news.off('more', more)
    clearInterval(heartbeat)
  })
  more()
})

// #endregion

export { app, news, publish }
