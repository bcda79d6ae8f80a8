import { HttpResponse } from 'msw'

// #region
/** An event stream of these chunks; it ends after them, or stays open. */
export function eventStream(chunks: string[], { open = false } = {}) {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
      if (!open) controller.close()
    },
  })
  return new HttpResponse(body, { headers: { 'Content-Type': 'text/event-stream' } })
}
// #endregion
