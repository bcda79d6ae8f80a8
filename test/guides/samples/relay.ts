import { events } from '../../../src/index'

// #region
export default {
  async fetch(request: Request): Promise<Response> {
    const upstream = events('https://example.com/feed', {
      signal: request.signal,
      lastEventId: request.headers.get('last-event-id') ?? '',
    })
    const iterator = upstream[Symbol.asyncIterator]()
    const body = new ReadableStream({
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (done) return controller.close()
        const data = value.data.replaceAll('\n', '\ndata: ') // One field for each line.
        const text = `id: ${value.lastEventId}\nevent: ${value.type}\ndata: ${data}\n\n`
        controller.enqueue(new TextEncoder().encode(text))
      },
      cancel: () => upstream.close(),
    })
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
  },
}
// #endregion
