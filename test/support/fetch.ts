import type { ServerSentEvent } from '../../src/parser/event'

/** How a faked `fetch` answers: a response, a failure, silence until aborted, or what it makes. */
export type Answer =
  | Response
  | Error
  | 'silence'
  | ((url: string, init: RequestInit) => Response | Promise<Response>)

export interface Sent extends RequestInit {
  readonly url: string
  readonly headers: Headers
}

/** A `fetch` that gives each attempt the next of the answers, and silence after the last. */
export function answering(...answers: Answer[]): {
  fetch: (url: string, init: RequestInit) => Promise<Response>
  requests: Sent[]
} {
  const requests: Sent[] = []
  return {
    requests,
    async fetch(url, init) {
      const answer = answers[requests.length] ?? 'silence'
      requests.push({ ...init, url, headers: new Headers(init.headers) })
      if (typeof answer === 'function') return answer(url, init)
      if (answer instanceof Error) throw answer
      if (answer !== 'silence') return answer
      return new Promise((_, reject) => {
        const { signal } = init
        signal?.addEventListener('abort', () => reject(signal.reason))
      })
    },
  }
}

/** Writes down what an iteration brings: `'message:1'` for an event, then `'done'` or `'throws:…'`. */
export async function follow(
  stream: AsyncIterable<ServerSentEvent<string, unknown>>,
  story: string[],
): Promise<void> {
  try {
    for await (const { type, data } of stream) story.push(`${type}:${data}`)
    story.push('done')
  } catch (error) {
    const { code, name } = Object(error)
    story.push(`throws:${code ?? name ?? error}`)
  }
}
