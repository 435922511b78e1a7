// The admin API, relative to the page, so that it is found behind any prefix and proxy.

const root = new URL('../admin/v1/', document.baseURI)

export async function get(path, query = {}) {
  const url = new URL(path, root)
  url.search = new URLSearchParams(query).toString()
  return answerOf(await fetch(url))
}

/** JSON, which no form of another site can send. */
export async function post(path, image) {
  const headers = { 'Content-Type': 'application/json' }
  return answerOf(await fetch(new URL(path, root), { method: 'POST', headers, body: JSON.stringify({ image }) }))
}

async function answerOf(answer) {
  const body = await answer.json().catch(() => ({}))
  if (!answer.ok) throw new Error(body.error ?? `the server answered ${answer.status}`)
  return body
}

/** Calls `onStatus`, `onSample`, and `onConnection` with whether the server is heard. */
export function listen({ onStatus, onSample, onConnection }) {
  const events = new EventSource(new URL('events', root))
  events.addEventListener('status', (event) => onStatus(JSON.parse(event.data)))
  events.addEventListener('sample', (event) => onSample(JSON.parse(event.data)))
  events.addEventListener('open', () => onConnection(true))
  events.addEventListener('error', () => {
    onConnection(false)
    // A refusal ends it for good; a broken connection does not.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => listen({ onStatus, onSample, onConnection }), 5000)
  })
}
