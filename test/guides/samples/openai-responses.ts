import { type EventsOptions, events, parseJson } from '../../../src/index'

// #region
/** The text of a response of OpenAI's Responses API, as it comes. A lost connection goes on. */
export async function* respond(
  url: string,
  body: object,
  options?: Pick<EventsOptions, 'headers' | 'retry' | 'signal'>,
): AsyncGenerator<string> {
  let id: string | undefined
  const response = events(url, {
    ...options,
    json: { ...body, background: true, stream: true },
    decode: parseJson,
    cursor: ({ data }) => data.sequence_number,
    resume: ({ cursor }) => id && `${url}/${id}?stream=true&starting_after=${cursor}`,
    until: ({ type }) => /^response\.(completed|incomplete|failed)$/.test(type),
  })
  for await (const { type, data } of response) {
    id ??= data.response?.id
    if (type === 'response.output_text.delta') yield data.delta
    if (type === 'error') throw new Error(data.message)
    if (type === 'response.failed') throw new Error(data.response.error.message)
    if (type === 'response.incomplete') throw new Error(data.response.incomplete_details.reason)
  }
}
// #endregion
