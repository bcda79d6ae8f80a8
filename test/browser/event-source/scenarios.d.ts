export const scenarios: Record<string, unknown>
export const pageScenarios: Record<string, unknown>
