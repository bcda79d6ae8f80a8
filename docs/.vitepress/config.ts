import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import llms from 'vitepress-plugin-llms'
import { chinese, english } from './pages'
import { reference } from './reference'
import { repositoryLinks } from './repository-links'
import { checkSamples } from './samples'

const englishSidebar = [...english, reference()]
const site = fileURLToPath(new URL('..', import.meta.url))

export default defineConfig({
  title: 'Tidings',
  description: 'Server-Sent Events over fetch',
  srcExclude: ['demo/**'],
  ignoreDeadLinks: 'localhostLinks',
  head: [['link', { rel: 'icon', href: '/logo.svg', type: 'image/svg+xml' }]],
  markdown: {
    // As GitHub names headings: the pages are read there, too.
    anchor: {
      slugify: (heading) =>
        heading
          .trim()
          .toLowerCase()
          .replace(/[^\p{L}\p{M}\p{N}\s_-]/gu, '')
          .replace(/\s/g, '-'),
    },
    codeTransformers: [checkSamples()],
    config: (md) => repositoryLinks(md, site),
  },
  vite: {
    plugins: [
      llms({
        sidebar: englishSidebar,
        ignoreFiles: ['zh/**', 'demo/**'],
      }),
    ],
    build: { chunkSizeWarningLimit: 2000 },
  },
  themeConfig: {
    logo: '/logo.svg',
    externalLinkIcon: true,
    outline: [2, 3],
    // Not every page is in both languages: the switch leads to the other's home.
    i18nRouting: false,
    search: {
      provider: 'local',
      options: {
        miniSearch: {
          // Sent to the page as text, so it must stand alone. Chinese has no spaces: a character is
          // a word.
          options: {
            tokenize: (text) =>
              text
                .split(/[\n\r\p{Z}\p{P}]+/u)
                .flatMap((word) => word.match(/\p{Script=Han}|\P{Script=Han}+/gu) ?? []),
          },
          searchOptions: { combineWith: 'AND' },
        },
        locales: {
          zh: {
            translations: {
              button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
              modal: {
                displayDetails: '显示详情',
                resetButtonTitle: '清除',
                backButtonTitle: '关闭搜索',
                noResultsText: '没有结果：',
                footer: { selectText: '选择', navigateText: '切换', closeText: '关闭' },
              },
            },
          },
        },
      },
    },
  },
  locales: {
    root: {
      label: 'English',
      lang: 'en',
      themeConfig: {
        nav: [
          { text: 'Start', link: '/start' },
          { text: 'Tutorial', link: '/tutorial' },
          { text: 'Guides', link: '/guide/auth', activeMatch: '/guide/' },
          { text: 'Reference', link: '/reference/', activeMatch: '/reference/' },
        ],
        sidebar: englishSidebar,
      },
    },
    zh: {
      label: '简体中文',
      lang: 'zh-CN',
      description: '基于 fetch 的 Server-Sent Events',
      themeConfig: {
        nav: [
          { text: '开始', link: '/zh/start' },
          { text: '教程', link: '/zh/tutorial' },
          { text: 'API 参考（英文）', link: '/reference/' },
        ],
        sidebar: chinese,
        outline: { level: [2, 3], label: '本页目录' },
        docFooter: { prev: '上一页', next: '下一页' },
        langMenuLabel: '语言',
        returnToTopLabel: '回到顶部',
        sidebarMenuLabel: '菜单',
        darkModeSwitchLabel: '外观',
        lightModeSwitchTitle: '切换到浅色',
        darkModeSwitchTitle: '切换到深色',
        skipToContentLabel: '跳到正文',
        notFound: {
          title: '没有这一页',
          quote: '',
          linkLabel: '回到首页',
          linkText: '回到首页',
        },
      },
    },
  },
})
