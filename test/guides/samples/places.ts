import { events, parseJson } from '../../../src/index'

// #region query
/** A feed whose server takes the place in the query. */
export const since = (url: string) =>
  events(({ cursor }) => (cursor ? `${url}?since_id=${cursor}` : url), {
    decode: parseJson,
    cursor: ({ data }) => data.id,
    headers: { 'Last-Event-ID': null }, // The server does not want it: no preflight for it.
  })
// #endregion

// #region search
/** A search that is begun by a POST, and whose results are read on by a GET. */
export const search = (url: string, query: string) =>
  events(url, {
    json: { query },
    decode: parseJson,
    cursor: ({ data }) => data.id,
    resume: ({ cursor }) => `?since_id=${cursor}`, // Relative to the URL of the first response.
    until: { type: 'done' },
  })
// #endregion

// #region control
/** A feed whose control events have IDs that the server does not go on from. */
export const withoutControl = (url: string) =>
  events(url, {
    cursor: ({ type, lastEventId }) => (type === 'control' ? undefined : lastEventId),
    headers: ({ cursor }) => ({ 'Last-Event-ID': cursor || null }),
  })
// #endregion

// #region offset
/** A feed that names the place after the data, in an event of its own. */
export async function* fromOffsets(url: string) {
  const feed = events(({ cursor }) => `${url}?offset=${cursor || '-1'}`, {
    decode: parseJson,
    cursor: ({ type, data }) => (type === 'control' ? data.offset : undefined),
  })
  const seen = new Set<string>() // Or what your database knows.
  for await (const { type, data } of feed) {
    if (type === 'control' || seen.has(data.key)) continue
    seen.add(data.key)
    yield data as { key: string; text: string }
  }
}
// #endregion
