import { type EventsOptions, events, parseJson } from '../../../src/index'

// #region
/** The text of an answer of Anthropic's Messages API, as it comes. */
export async function* message(
  url: string,
  body: object,
  options?: Pick<EventsOptions, 'headers' | 'retry' | 'signal'>,
): AsyncGenerator<string> {
  const answer = events(url, {
    ...options,
    json: { ...body, stream: true },
    decode: parseJson,
    until: { type: 'message_stop' },
  })
  for await (const { type, data } of answer) {
    if (type === 'error') throw new Error(data.error.message)
    if (type === 'content_block_delta' && data.delta.type === 'text_delta') yield data.delta.text
  }
}
// #endregion
