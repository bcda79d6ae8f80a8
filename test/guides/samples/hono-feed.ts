import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'

// #region
const app = new Hono()

app.get('/feed', (context) => {
  const response = streamSSE(context, async (stream) => {
    while (!stream.aborted) {
      await stream.writeSSE({ event: 'tick', data: new Date().toISOString() })
      await stream.sleep(1000)
    }
  })
  response.headers.set('Cache-Control', 'no-cache, no-transform')
  response.headers.set('X-Accel-Buffering', 'no')
  return response
})

// #endregion

export { app }
