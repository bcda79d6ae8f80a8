/** What the stand-in for a language model knows, by what the question is about. */
const known = [
  {
    about: /cut|lost|lose|drop|surviv|resum|reconnect|break|broke/i,
    text: `Every event carries a number, and the client keeps the number of the last event it has \
seen to the end. When the line breaks, it waits a moment, connects again and sends that number in \
the Last-Event-ID header. The server looks into its log and goes on with the next one.

An event that was cut in half does not count: its number moves only with the blank line that \
completes it. So nothing is lost, and nothing comes twice. Press "Cut the line" while I type, and \
watch me finish the sentence.`,
  },
  {
    about: /token|auth|bearer|login|log in|401|expire|header/i,
    text: `The EventSource built into browsers cannot send a header, so people put tokens into the \
URL, where every log keeps them. Over fetch the token travels in Authorization, as it does \
everywhere else.

When it expires the server answers 401. The client asks your headers function once more, tells it \
why, and tries again at once with what it returns: a fresh token. The last event ID goes along, so \
the stream picks up where it stopped.`,
  },
]

const otherwise = `A server that has something to say keeps one HTTP response open and writes a line \
whenever there is news. That is all Server-Sent Events are: plain text over plain HTTP, friendly to \
proxies, easy to read with curl.

The standard adds two things that make it robust: numbered events, and a client that reconnects by \
itself and says which number it saw last. Tidings brings both to fetch, so that headers, POST and \
your own rules for retrying come with them. This very answer is such a stream.`

/**
 * The answer to a prompt as a list of tokens, roughly as a model would cut them. The same prompt
 * always gives the same list, which is what makes the answer resumable.
 *
 * @param {string} prompt
 */
export function answerTo(prompt) {
  const text = known.find(({ about }) => about.test(prompt))?.text ?? otherwise
  return text.match(/\s*\S{1,7}/g) ?? []
}
