import { debounceTime, from, map, type Observable, switchMap } from 'rxjs'
import { events, observable, parseJson } from '../../../src/index'

// #region prices
export const prices = (url: string) =>
  from(observable(() => events(url, { decode: parseJson }))).pipe(
    map(({ data }) => data.price as number),
  )
// #endregion

// #region shared
/** One stream for all subscribers. The last one who leaves closes the socket. */
export const shared = (url: string) => from(observable(events(url)))
// #endregion

// #region answers
/** The answer to the last question that was typed. */
export const answers = (url: string, typed: Observable<string>) =>
  typed.pipe(
    debounceTime(300),
    switchMap((question) =>
      from(observable(() => events(url, { json: { question }, until: '[DONE]' }))),
    ),
  )
// #endregion
