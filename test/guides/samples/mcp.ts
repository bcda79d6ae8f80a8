import { type EventsOptions, events, parseJson } from '../../../src/index'

// #region
/** Asks an MCP server, and returns the result. `onMessage` gets what the server says before it. */
export async function ask(
  url: string,
  request: { method: string; params?: object },
  options?: Pick<EventsOptions, 'headers' | 'retry' | 'signal'>,
  onMessage: (message: { method: string; params?: unknown }) => void = () => {},
): Promise<unknown> {
  const id = crypto.randomUUID()
  const messages = events(url, {
    ...options,
    fetch: fetchMessages,
    json: { jsonrpc: '2.0', id, ...request },
    decode: parseJson, // Leaves out the first event, which has an ID and no data.
    resume: ({ cursor }) => (cursor ? url : undefined), // A GET with Last-Event-ID.
    until: ({ data }) => data.id === id && !data.method,
  })
  for await (const { data } of messages) {
    if (data.method) onMessage(data)
    else if (data.error) throw new Error(data.error.message)
    else return data.result
  }
  throw new Error('The server has sent no result')
}

/** A server may also answer in plain JSON, which is then an event stream of one message. */
async function fetchMessages(
  url: string,
  { headers, ...init }: RequestInit & { headers: Record<string, string> },
): Promise<Response> {
  const accept = 'application/json, text/event-stream'
  const response = await fetch(url, { ...init, headers: { ...headers, Accept: accept } })
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  if (!response.ok || !isJson) return response
  const text = JSON.stringify(await response.json())
  return new Response(`data: ${text}\n\n`, { headers: { 'Content-Type': 'text/event-stream' } })
}
// #endregion
