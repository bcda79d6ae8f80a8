import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// `tidings` needs no alias: this folder is inside the package of that name, so its own `exports`
// lead to the built library, the very files npm would install.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [vue()],
  build: {
    target: 'es2022',
    // The page has one script; there is nothing to preload.
    modulePreload: { polyfill: false },
    // Everything is a file of its own: the server's content security policy allows no data: font
    // or script.
    assetsInlineLimit: 0,
  },
})
