import { createRequire } from 'node:module'

export { GrowthBook, setPolyfills } from '@growthbook/growthbook'
export { createTRPCClient, httpSubscriptionLink } from '@trpc/client'
export { default as PocketBase } from 'pocketbase'

const require = createRequire(import.meta.url)
export const { InMemStorageProvider, Unleash, UnleashEvents } = require('unleash-client')

/** Where the Unleash client takes its class from when it opens a stream. It has no option for it. */
export const unleashModule = require('./node_modules/unleash-client/lib/event-source.js')
