import type { DefaultTheme } from 'vitepress'

type Item = DefaultTheme.SidebarItem

const page = (text: string, link: string): Item => ({ text, link })

/** Every page but the homes and the generated reference, in the order in which to read them. */
export const english: Item[] = [
  {
    text: 'Begin',
    items: [
      page('Start', '/start'),
      page('Tutorial', '/tutorial'),
      page('Comparison', '/comparison'),
      page('Migrating', '/migrating'),
    ],
  },
  {
    text: 'Guides',
    items: [
      page('Log in, refresh, log out', '/guide/auth'),
      page('Retry and resume', '/guide/retry-and-resume'),
      page('Heartbeats', '/guide/heartbeats'),
      page('Abort and clean up', '/guide/abort'),
      page('Typed events', '/guide/typed-events'),
      page('Parse your own response', '/guide/parser'),
      page('Testing', '/guide/testing'),
      page('Servers and proxies', '/guide/servers-and-proxies'),
      page('Node', '/guide/node'),
      page('React Native and workers', '/guide/react-native-and-workers'),
      page('Debugging', '/guide/debugging'),
    ],
  },
  {
    text: 'Language models',
    items: [
      page('LLM chat', '/guide/post-and-llm'),
      page('Anthropic Messages', '/guide/anthropic'),
      page('OpenAI Responses', '/guide/openai-responses'),
      page('LangGraph', '/guide/langgraph'),
      page('MCP Streamable HTTP', '/guide/mcp'),
    ],
  },
  {
    text: 'Frameworks',
    items: [page('Vue', '/guide/vue'), page('React', '/guide/react'), page('RxJS', '/guide/rxjs')],
  },
  {
    text: 'What it promises',
    items: [
      page('Errors', '/errors'),
      page('Reliability', '/reliability'),
      page('The herd', '/herd'),
      page('Benchmarks', '/benchmarks'),
      page('The standard, step by step', '/spec'),
    ],
  },
]

export const chinese: Item[] = [
  {
    text: '入门',
    items: [page('开始', '/zh/start'), page('教程', '/zh/tutorial')],
  },
  {
    text: '更多（英文）',
    items: [
      page('指南', '/guide/auth'),
      page('对比', '/comparison'),
      page('错误', '/errors'),
      page('API 参考', '/reference/'),
    ],
  },
]
