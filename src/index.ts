export { SseError, type SseErrorCode, type SseErrorDetails } from './errors'
export {
  EventSource,
  type EventSourceEventMap,
  type EventSourceInit,
  type OpenEvent,
  type SseErrorEvent,
} from './faces/event-source'
export {
  type EventStream,
  type EventStreamIterator,
  type EventsOptions,
  events,
} from './faces/events'
export type { SendInit } from './faces/send'
export type { AnyEvent, EventsOf, ServerSentEvent } from './parser/event'
export { dedupe } from './parts/dedupe'
export { fromRequest } from './parts/from-request'
export { type InteropObservable, observable } from './parts/observable'
export { parseJson } from './parts/parse-json'
export {
  type InvalidEvent,
  type SchemaIssue,
  type StandardResult,
  type StandardSchema,
  type ValidatedOptions,
  validated,
} from './parts/validated'
export { whenVisible } from './parts/when-visible'
export type { Decode, Decoder, EventFor } from './session/decode'
export type { Gate } from './session/gate'
export type { Skip, StreamState } from './session/plan'
export type { RetryContext, RetryOptions, RetryPolicy } from './session/retry'
export type { EventStreamStatus, Reconnect } from './session/session'
export type {
  Attempt,
  EventsInput,
  HeadersOption,
  Resume,
  ResumeRequest,
} from './transport/request'
