import { type EventsOptions, events, parseJson } from '../../../src/index'

// #region
/** The text that the models of a LangGraph run write, as it comes. A lost connection goes on. */
export async function* run(
  url: string, // …/threads/{thread_id}/runs/stream
  body: object,
  options?: Pick<EventsOptions, 'headers' | 'retry' | 'signal'>,
): AsyncGenerator<string> {
  const stream = events(url, {
    ...options,
    json: {
      ...body,
      stream_mode: ['messages-tuple'],
      stream_resumable: true,
      on_disconnect: 'continue',
    },
    decode: parseJson,
    resume: ({ first }) => first.headers.get('location'),
  })
  for await (const { type, data } of stream) {
    if (type === 'error') throw new Error(data.message)
    if (type === 'messages' && typeof data[0].content === 'string') yield data[0].content
  }
}
// #endregion
