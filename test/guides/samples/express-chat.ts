import express from 'express'

export function chatServer(think: (question: string) => AsyncIterable<string>) {
  // #region
  const app = express()
  const answers = new Map<string, Answer>()

  class Answer extends EventTarget {
    readonly words: string[] = []
    done = false

    constructor(question: string) {
      super()
      this.#write(question).catch(() => {}) // Goes on when the client is gone.
    }

    async #write(question: string) {
      for await (const word of think(question)) {
        this.words.push(word)
        this.dispatchEvent(new Event('more'))
      }
      this.done = true
      this.dispatchEvent(new Event('more'))
    }
  }

  app.post('/chat', express.json(), (request, response) => {
    const key = request.get('idempotency-key') ?? crypto.randomUUID()
    const answer = answers.get(key) ?? new Answer(request.body.question)
    answers.set(key, answer)
    let sent = Math.max(0, Number(request.get('last-event-id')) || 0)
    response.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform' })
    response.flushHeaders()
    const more = () => {
      for (; sent < answer.words.length; sent++) {
        response.write(`id: ${sent + 1}\ndata: ${JSON.stringify(answer.words[sent])}\n\n`)
      }
      if (answer.done) response.end('data: [DONE]\n\n')
    }
    answer.addEventListener('more', more)
    response.on('close', () => answer.removeEventListener('more', more))
    more()
  })
  // #endregion
  return app
}
