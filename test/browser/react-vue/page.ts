/** What a test does with a page, and what that has rendered, in order. */
export interface FeedPage {
  readonly texts: string[]
  /** Shows another feed, or none. */
  show(name: string | null): void
  unmount(): void
}
