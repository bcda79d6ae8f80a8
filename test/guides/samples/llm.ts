import { events } from '../../../src/index'

// #region openai
/** The text of an answer in the shape of OpenAI's Chat Completions. */
export async function* completion(url: string | URL, body: object, signal?: AbortSignal) {
  const answer = events(url, { json: { ...body, stream: true }, until: '[DONE]', signal })
  for await (const { data } of answer) {
    const { choices, error } = JSON.parse(data)
    if (error) throw new Error(error.message)
    yield (choices[0]?.delta?.content ?? '') as string
  }
}
// #endregion

// #region anthropic
/** The text of an answer in the shape of Anthropic's Messages. */
export async function* message(url: string | URL, body: object, signal?: AbortSignal) {
  const answer = events(url, {
    json: { ...body, stream: true },
    until: ({ type }) => type === 'message_stop',
    signal,
  })
  for await (const { type, data } of answer) {
    if (type === 'error') throw new Error(JSON.parse(data).error.message)
    if (type === 'content_block_delta') yield (JSON.parse(data).delta.text ?? '') as string
  }
}
// #endregion
