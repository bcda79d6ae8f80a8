const encoder = new TextEncoder()

/** A body that yields these chunks, one a read, and ends, fails or stays open after them. */
export function body(
  chunks: readonly (string | Uint8Array)[],
  after: 'end' | 'stall' | Error = 'end',
): ReadableStream<Uint8Array> {
  let next = 0
  return new ReadableStream(
    {
      pull(controller) {
        const chunk = chunks[next++]
        if (chunk !== undefined) {
          controller.enqueue(typeof chunk === 'string' ? encoder.encode(chunk) : chunk)
        } else if (after === 'end') controller.close()
        else if (after !== 'stall') controller.error(after)
      },
    },
    { highWaterMark: 0 },
  )
}

/** An event stream's response, as a faked `fetch` returns it. */
export function stream(
  chunks: readonly (string | Uint8Array)[],
  after?: 'end' | 'stall' | Error,
): Response {
  return new Response(body(chunks, after), { headers: { 'content-type': 'text/event-stream' } })
}
