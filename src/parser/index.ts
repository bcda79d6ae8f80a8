export { EventStreamDecoder } from './decoder'
export type { ServerSentEvent } from './event'
export {
  type EventStreamBlock,
  type EventStreamChunk,
  EventStreamParser,
  type EventStreamParserOptions,
} from './parser'
export { type EventStreamSource, readEvents } from './read'
