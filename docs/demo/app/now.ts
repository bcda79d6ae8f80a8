import { onScopeDispose, type Ref, ref } from 'vue'

/** The time, read every `step` milliseconds for as long as somebody looks at it. */
export function useNow(step: number): Ref<number> {
  const now = ref(Date.now())
  const timer = setInterval(() => {
    now.value = Date.now()
  }, step)
  onScopeDispose(() => clearInterval(timer))
  return now
}
