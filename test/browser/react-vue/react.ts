import { createElement, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { useEvents } from '../../../src/bindings/react'
import type { FeedPage } from './page'

const page: FeedPage = { texts: [], show, unmount: () => root.unmount() }
const root = createRoot(document.querySelector('main') as HTMLElement)

function Feed({ name }: { name: string | null }) {
  const { status, events, error } = useEvents(name && `/feed/${name}`, {
    limit: 3,
    headers: { 'x-name': `${name}` },
  })
  const text = [name, status, events.map(({ data }) => data), error && 'error'].join(' ').trim()
  page.texts.push(text)
  return createElement('p', null, text)
}

function show(name: string | null): void {
  root.render(createElement(StrictMode, null, createElement(Feed, { name })))
}

Object.assign(globalThis, { page })
