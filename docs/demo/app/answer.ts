// An answer streamed out of a POST, as the interfaces of language models do.
import { SseError } from 'tidings'
import { useEvents } from 'tidings/vue'
import { computed, ref, watch } from 'vue'
import { headers } from './session'
import { answerLane as lane } from './trace'

interface Token {
  token: string
}

export function useAnswer() {
  // #region answer
  let prompt = ''
  const answer = useEvents('/api/answer', {
    immediate: false,
    headers,
    json: () => ({ prompt }),
    decode: (text): Token => JSON.parse(text),
    until: '[DONE]',
    resume: 'same', // The server goes on after the last event ID.
    initial: '',
    reduce: (text, { data }) => text + data.token,
  })

  function ask(question: string) {
    prompt = question
    answer.open()
  }
  // #endregion answer

  const { events: text, event, status, error, lastEventId } = answer
  lane.follow(() => status.value)
  watch(event, (token) => token && lane.dot())
  watch(error, (failure) => {
    const refused = failure instanceof SseError && failure.code === 'status'
    if (failure) lane.tick(refused ? String(failure.status) : 'cut')
  })

  // An answer that was stopped is closed without an error, as one that is whole.
  const stopped = ref(false)
  watch(status, (now) => {
    if (now !== 'closed') stopped.value = false
  })

  return {
    text,
    error,
    /** The server numbers the tokens of an answer from 1. */
    tokens: computed(() => Number(lastEventId.value)),
    busy: computed(() => status.value !== 'idle' && status.value !== 'closed'),
    canGoOn: computed(() => status.value === 'closed' && (stopped.value || !!error.value)),
    ask,
    stop() {
      answer.close()
      stopped.value = true
    },
    goOn: () => answer.reconnect(),
  }
}
