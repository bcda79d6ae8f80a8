export function buildDemoPage(): Promise<void>
