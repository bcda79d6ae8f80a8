import * as peer from '@microsoft/fetch-event-source'
import { assertType, describe, expectTypeOf, test } from 'vitest'
import * as ours from '../../src/faces/fetch-event-source'

describe('against the original’s own declarations', () => {
  test('each function can stand where the other is expected', () => {
    assertType<typeof peer.fetchEventSource>(ours.fetchEventSource)
    assertType<typeof ours.fetchEventSource>(peer.fetchEventSource)
  })

  test('the function’s parameters and result are the original’s', () => {
    expectTypeOf<Parameters<typeof ours.fetchEventSource>>().toExtend<
      Parameters<typeof peer.fetchEventSource>
    >()
    expectTypeOf<Parameters<typeof peer.fetchEventSource>>().toExtend<
      Parameters<typeof ours.fetchEventSource>
    >()
    expectTypeOf<ReturnType<typeof ours.fetchEventSource>>().toEqualTypeOf<
      ReturnType<typeof peer.fetchEventSource>
    >()
  })

  test('the types of options, messages and the content type are the original’s', () => {
    expectTypeOf<ours.FetchEventSourceInit>().toEqualTypeOf<peer.FetchEventSourceInit>()
    expectTypeOf<ours.EventSourceMessage>().toEqualTypeOf<peer.EventSourceMessage>()
    expectTypeOf(ours.EventStreamContentType).toEqualTypeOf(peer.EventStreamContentType)
  })

  test('every export of the original has its namesake here', () => {
    expectTypeOf<keyof typeof peer>().toExtend<keyof typeof ours>()
  })
})

test('a wrapper that takes the options apart compiles', () => {
  type Init = Parameters<typeof ours.fetchEventSource>[1]
  const stream = (url: string, { headers, onopen, ...init }: Init) =>
    ours.fetchEventSource(url, {
      ...init,
      headers: { ...headers, Authorization: headers?.Authorization ?? '' },
      async onopen(response) {
        await onopen?.(response)
      },
    })
  expectTypeOf(stream).returns.toEqualTypeOf<Promise<void>>()
})

test('an interface that extends the options compiles, and so does its use', () => {
  interface ChatOptions extends ours.FetchEventSourceInit {
    prompt: string
  }
  const chat = ({ prompt, ...init }: ChatOptions) => {
    init.headers = { ...init.headers, 'content-type': 'application/json' }
    init.headers['x-key'] = '1'
    return ours.fetchEventSource('/chat', { ...init, method: 'POST', body: prompt })
  }
  expectTypeOf(chat).returns.toEqualTypeOf<Promise<void>>()
})

test('a stand-in written for the original compiles', () => {
  const standIn = async (_input: RequestInfo, init: peer.FetchEventSourceInit): Promise<void> => {
    init.onmessage?.({ id: '', event: '', data: '1' })
  }
  assertType<typeof ours.fetchEventSource>(standIn)
})

test('callbacks get the types that they have in the original', () => {
  ours.fetchEventSource(new Request('http://localhost'), {
    onopen: async (response) => expectTypeOf(response).toEqualTypeOf<Response>() as never,
    onmessage: (message) => expectTypeOf(message).toEqualTypeOf<peer.EventSourceMessage>() as never,
    onerror: (error) => {
      expectTypeOf(error).toBeAny()
      return 100
    },
    fetch: (input, init) => (input instanceof Request ? fetch(input) : fetch(input, init)),
  })
})

describe('beyond the original', () => {
  test('init may be missing, and input may be a URL', () => {
    expectTypeOf(ours.fetchEventSource).toBeCallableWith('/stream')
    expectTypeOf(ours.fetchEventSource).toBeCallableWith(new URL('http://localhost'))
  })

  test('headers may be Headers or a function, onerror may be async', () => {
    ours.fetchEventSource('/stream', { headers: new Headers() })
    ours.fetchEventSource('/stream', { headers: [['x-key', '1']] })
    ours.fetchEventSource('/stream', {
      headers: async ({ number, error }) => ({ 'x-attempt': `${number}${error?.status}` }),
      onerror: async () => 100,
      maxEventSize: 1000,
    })
    ours.fetchEventSource('/stream', {
      fetch: (url: string, init: RequestInit) => fetch(url, init),
    })
  })

  test('a misspelt option is an error', () => {
    // @ts-expect-error: it is onmessage
    ours.fetchEventSource('/stream', { onMessage() {} })
  })
})
