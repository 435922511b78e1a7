// The answers that need no content: the probe of load balancers, the version check, and what no route matches.
import { answer, type Exchange } from '../exchange.ts'

const versionBody = Buffer.from('{}')
const notFoundBody = Buffer.from('404 page not found\n')

/** For load balancers; says that this process answers, no more. */
export function answerRoot(exchange: Exchange): void {
  answer(exchange, 200, ['Cache-Control', 'no-cache', 'Content-Length', '0'], undefined)
}

/** At once and without asking anybody: clients wait for this before each pull, and take an error for "not a registry". */
export function answerVersion(exchange: Exchange): void {
  answer(exchange, 200, ['Content-Type', 'application/json', 'Content-Length', String(versionBody.length)], versionBody)
}

export function redirectToVersion(exchange: Exchange): void {
  const location = exchange.query === '' ? `${exchange.path}/` : `${exchange.path}/?${exchange.query}`
  answer(exchange, 301, ['Location', location, 'Content-Length', '0'], undefined)
}

/** distribution answers like this where no route matches. */
export function answerNotFound(exchange: Exchange): void {
  answer(
    exchange,
    404,
    ['Content-Type', 'text/plain; charset=utf-8', 'X-Content-Type-Options', 'nosniff', 'Content-Length', String(notFoundBody.length)],
    notFoundBody,
  )
}
