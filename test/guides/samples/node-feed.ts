import { createServer } from 'node:http'

// #region
const server = createServer((_request, response) => {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  })
  response.flushHeaders()
  const tick = () => response.write(`event: tick\ndata: ${new Date().toISOString()}\n\n`)
  const ticking = setInterval(tick, 1000)
  response.on('close', () => clearInterval(ticking))
  tick()
})

// #endregion

export { server }
