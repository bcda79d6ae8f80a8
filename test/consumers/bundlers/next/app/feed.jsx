'use client'

import { useEffect } from 'react'
import { useEvents } from 'tidings/react'
import { build } from '../../app/main.js'

export function Feed() {
  const { events } = useEvents('/feed')
  useEffect(() => void build.then(console.log), [])
  return <output>{events.length}</output>
}
