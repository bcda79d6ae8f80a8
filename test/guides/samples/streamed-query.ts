import { queryOptions, experimental_streamedQuery as streamedQuery } from '@tanstack/react-query'
import { events } from '../../../src/index'

// #region
/** The words of an answer, as they come. */
export const answerQuery = (url: string, question: string) =>
  queryOptions({
    queryKey: ['answer', url, question],
    queryFn: streamedQuery({
      streamFn: ({ signal }) => events(url, { json: { question }, until: '[DONE]', signal }),
      reducer: (text: string, { data }) => text + data,
      initialValue: '',
    }),
    staleTime: Number.POSITIVE_INFINITY, // Or a focus of the window asks the model again.
    retry: false,
  })
// #endregion
