const { events } = require('tidings')

const fetch = async () => new Response(null, { status: 204 })
async function build() {
  try {
    for await (const _ of events('http://localhost/', { fetch, maxRetries: 1 }));
  } catch {
    return 'development'
  }
  return 'production'
}

build().then((name) => console.log(name))
