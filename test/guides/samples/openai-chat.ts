import { type EventsOptions, events, parseJson } from '../../../src/index'

// #region
/** The text of an answer in the shape of OpenAI's Chat Completions, as it comes. */
export async function* chat(
  url: string,
  body: object,
  options?: Pick<EventsOptions, 'headers' | 'retry' | 'signal'>,
): AsyncGenerator<string> {
  const answer = events(url, {
    ...options,
    json: { ...body, stream: true },
    decode: parseJson,
    until: '[DONE]',
  })
  for await (const { type, data } of answer) {
    if (type === 'error' || data.object === 'error' || data.error) {
      throw new Error(data.error?.message ?? data.message ?? 'The model has failed')
    }
    const text = data.choices?.[0]?.delta?.content // Usage and filter results have no choices.
    if (text) yield text
  }
}
// #endregion
