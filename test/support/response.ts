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

/** A response whose body the test writes as it goes; `cancelled` says when it was let go of. */
export function live(): {
  response: Response
  write(text: string): void
  end(): void
  fail(error: Error): void
  cancelled: Promise<void>
} {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  let cancel!: () => void
  const cancelled = new Promise<void>((resolve) => {
    cancel = resolve
  })
  const source = new ReadableStream<Uint8Array>({
    start(own) {
      controller = own
    },
    cancel,
  })
  return {
    response: new Response(source, { headers: { 'content-type': 'text/event-stream' } }),
    write: (text) => controller.enqueue(encoder.encode(text)),
    end: () => controller.close(),
    fail: (error) => controller.error(error),
    cancelled,
  }
}
