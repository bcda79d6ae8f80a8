// An answer streamed out of a POST, as the interfaces of language models do.
import { events, type Reconnect } from 'tidings'
import { onScopeDispose, reactive } from 'vue'
import { bearer } from './session'
import { answerLane as lane } from './trace'

export function useAnswer() {
  const answer = reactive({ prompt: '', text: '', tokens: 0, busy: false, error: '' })
  let controller = new AbortController()
  let place = ''

  function show(token: string): void {
    answer.text += token
    answer.tokens += 1
    lane.dot()
  }

  /** Asks, or goes on from `lastEventId`. */
  async function read(lastEventId: string): Promise<void> {
    controller = new AbortController()
    const { signal } = controller
    const { prompt } = answer
    const onReconnect = ({ error }: Reconnect) =>
      lane.tick(error?.code === 'status' ? String(error.status) : 'cut')
    // #region answer
    const stream = events('/api/answer', {
      method: 'POST',
      headers: bearer,
      json: { prompt },
      decode: (text) => JSON.parse(text),
      until: '[DONE]',
      lastEventId,
      signal,
      onReconnect,
    })
    // #endregion
    const unwatch = lane.watch(() => stream.status)
    answer.busy = true
    answer.error = ''
    try {
      // #region answer
      for await (const { data } of stream) {
        show(data.token)
      }
      // #endregion
      place = ''
    } catch (error) {
      place = stream.lastEventId
      if (!signal.aborted) answer.error = String(error)
    } finally {
      answer.busy = false
      unwatch()
    }
  }

  onScopeDispose(() => controller.abort())

  return {
    answer,
    async ask(prompt: string) {
      Object.assign(answer, { prompt, text: '', tokens: 0 })
      await read('')
    },
    stop: () => controller.abort(),
    goOn: () => read(place),
    canGoOn: () => !answer.busy && place !== '',
  }
}
