const entries = Object.fromEntries(
  ['auth', 'fetch-event-source', 'parser', 'react', 'vue'].map((name) => [
    name,
    require(`tidings/${name}`),
  ]),
)

import('./read.js').then(({ read }) => read({ main: require('tidings'), ...entries }))
