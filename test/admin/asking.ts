// Questions to the admin API whose answers are held against its description, whatever the test is about.
import { described, misfitsOf } from './openapi.ts'

export interface Asked {
  readonly status: number
  readonly body: unknown
}

const seen = new Set<string>()
const misfits: string[] = []

export const describedAnswers = { misfits, missing: () => described.filter((each) => !seen.has(each)) }

export interface Asking {
  get(path: string, query?: string): Promise<Asked>
  post(path: string, image: string): Promise<Asked>
}

/** `url`: of the server, without a slash. */
export function asking(url: string): Asking {
  const ask = async (method: string, path: string, query: string, more: RequestInit): Promise<Asked> => {
    const answer = await fetch(`${url}/admin/v1${path}${query === '' ? '' : `?${query}`}`, { method, ...more })
    const text = await answer.text()
    const isJson = answer.headers.get('content-type') === 'application/json'
    const body: unknown = isJson ? JSON.parse(text) : text
    seen.add(`${method} ${path}`)
    misfits.push(...misfitsOf(method, path, answer.status, body).map((misfit) => `${method} ${path} ${answer.status} ${misfit}`))
    return { status: answer.status, body }
  }
  return {
    get: (path, query = '') => ask('GET', path, query, {}),
    post: (path, image) => ask('POST', path, '', { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ image }) }),
  }
}
