import { events } from 'tidings'

/**
 * Which build this is: the development build refuses a near miss of an option, and production hands
 * it to `fetch`.
 */
export const build = (async () => {
  const fetch = async () => new Response(null, { status: 204 })
  try {
    for await (const _ of events('http://localhost/', { fetch, maxRetries: 1 }));
  } catch {
    return 'development'
  }
  return 'production'
})()

build.then((name) => console.log(name))
