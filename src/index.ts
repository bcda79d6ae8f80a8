export { EventStreamDecoder, type EventStreamDecoderOptions } from './decoder'
export { SseError, type SseErrorCode, type SseErrorDetails } from './errors'
export {
  EventSource,
  type EventSourceEventMap,
  type EventSourceInit,
  type OpenEvent,
  type SseErrorEvent,
} from './event-source'
export { type EventStream, type EventStreamStatus, type EventsOptions, events } from './events'
export type { ServerSentEvent } from './parser'
export type { Attempt, EventsInput } from './request'
export type { RetryContext, RetryOptions, RetryPolicy } from './retry'
export type {
  EventSchema,
  InvalidEvent,
  SchemaEvent,
  SchemaIssue,
  StandardResult,
  StandardSchema,
} from './schema'
export type { SendInit } from './send'
export type { Reconnect } from './session'
