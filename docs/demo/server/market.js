/** A market of four harbours, made up as it goes: one price moves at a time. */
export function createMarket() {
  const prices = new Map([
    ['TIDE', 128.4],
    ['REEF', 42.15],
    ['GULL', 9.87],
    ['KELP', 311.2],
  ])

  function* walk() {
    for (;;) {
      for (const [symbol, before] of prices) {
        // At most 0.6 % a step.
        const price = Math.round(before * (1 + (Math.random() - 0.5) * 0.012) * 100) / 100
        prices.set(symbol, price)
        yield { symbol, price }
      }
    }
  }

  const quotes = walk()
  return { next: () => quotes.next().value }
}
