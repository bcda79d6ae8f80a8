// For the tests, which are TypeScript. The reasons stand in server.js.
export function createDemoServer(options?: {
  port?: number
  tokenSeconds?: number
  typingMs?: number
}): Promise<{ url: string; close(): Promise<void> }>
