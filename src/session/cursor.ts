import type { ServerSentEvent } from '../parser/event'
import type { FetchResponse } from '../platform'

/**
 * Where a consumer is in its stream: what outlives a connection, and a session.
 *
 * It moves with delivery, never with what was read, so that a stop in the middle of a chunk goes on
 * after the last event that the consumer saw.
 */
export class Cursor {
  /** The last event ID, as the standard keeps it. */
  lastEventId: string
  /** Milliseconds, as the server last asked with `retry`; `undefined` until it does. */
  _asked: number | undefined = undefined
  /** The first accepted response. */
  _first: FetchResponse | undefined = undefined
  /** An event has been delivered since the start, or since the stream was complete. */
  _begun = false
  private readonly _own: boolean
  private _place = ''

  /** @param own - whether a `cursor` option makes the place; otherwise it is the last event ID */
  constructor(lastEventId = '', own = false) {
    this.lastEventId = lastEventId
    this._own = own
  }

  /** `''` is the start. */
  get place(): string {
    return this._own ? this._place : this.lastEventId
  }

  set place(place: string | number) {
    this.lastEventId = this._own ? '' : `${place}`
    this._place = `${place}`
  }

  /** An event has been delivered; `place` is what the `cursor` option made of it. */
  _move(
    { lastEventId }: ServerSentEvent<string, unknown>,
    place: string | number | undefined = this._place,
  ): void {
    this.lastEventId = lastEventId
    this._place = `${place}`
  }
}
