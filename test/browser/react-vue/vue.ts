import { createApp, defineComponent, h, ref } from 'vue'
import { useEvents } from '../../../src/bindings/vue'
import type { FeedPage } from './page'

const name = ref<string | null>(null)
const page: FeedPage = {
  texts: [],
  show(shown) {
    name.value = shown
  },
  unmount: () => app.unmount(),
}

const app = createApp(
  defineComponent(() => {
    const { status, events, error } = useEvents(
      () => name.value && `/feed/${name.value}`,
      () => ({ limit: 3, headers: { 'x-name': `${name.value}` } }),
    )
    return () => {
      const list = events.value.map(({ data }) => data)
      const text = [name.value, status.value, list, error.value && 'error'].join(' ').trim()
      page.texts.push(text)
      return h('p', text)
    }
  }),
)
app.mount('main')

Object.assign(globalThis, { page })
