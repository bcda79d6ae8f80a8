import { debounceTime, defer, from, map, type Observable, share, switchMap } from 'rxjs'
import { events } from '../../../src/index'

// #region prices
export const prices = (url: string) =>
  from(events(url, { decode: JSON.parse })).pipe(map(({ data }) => data.price as number))
// #endregion

// #region shared
/** A stream for all subscribers; the last who leaves closes the socket. */
export const shared = (url: string) => defer(() => from(events(url))).pipe(share())
// #endregion

// #region answers
/** What is said to the last question that was typed. */
export const answers = (url: string, typed: Observable<string>) =>
  typed.pipe(
    debounceTime(300),
    switchMap((question) => from(events(url, { json: { question }, until: '[DONE]' }))),
  )
// #endregion
