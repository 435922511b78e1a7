// The token server: who asks, for what, and a token that says so.
import { createHash } from 'node:crypto'
import { type Answer, answerOf, jsonAnswer } from './answer.ts'
import { type Exchange, readBody } from './exchange.ts'
import { basicOf, type State } from './state.ts'

interface Wish {
  readonly account: string | undefined
  readonly scopes: readonly string[]
  readonly wantsRefresh: boolean
}

/** Filler of the size that Docker Hub's certificate chain has in its tokens, so that header limits are met in tests. */
const chain = [Buffer.alloc(1050, 'certificate of the stand-in').toString('base64')]

function jsonPart(content: unknown): string {
  return Buffer.from(JSON.stringify(content)).toString('base64url')
}

/** About 3 KB that look like Docker Hub's JWT; the registry knows it by heart and checks no signature. */
function jwtOf(state: State, wish: Wish, access: readonly unknown[], id: string): string {
  const issued = Math.floor(state.claimedNow() / 1000)
  const limit = { pull_limit: '100', pull_limit_interval: '21600' }
  const claims = {
    access: access.map((entry) => Object.assign({ parameters: limit }, entry)),
    aud: 'registry.docker.io',
    exp: issued + state.settings.tokenLifeSeconds,
    iat: issued,
    iss: 'auth.docker.io',
    jti: `dckr_jti_${id.slice(0, 24)}`,
    nbf: issued - 300,
    sub: wish.account ?? '',
  }
  const signature = createHash('sha512').update(id).digest()
  return [
    jsonPart({ alg: 'RS256', typ: 'JWT', x5c: chain }),
    jsonPart(claims),
    Buffer.concat([signature, signature, signature, signature]).toString('base64url'),
  ].join('.')
}

function nanoseconds(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '289632Z')
}

function issue(state: State, wish: Wish): Answer {
  const asked = wish.scopes.flatMap((scope) => {
    const [, name, actions] = /^repository:(.+):([a-z*,]+)$/.exec(scope) ?? []
    return name === undefined ? [] : [{ name, actions: actions?.split(',') ?? [] }]
  })
  const granted = asked.filter(({ name, actions }) => actions.includes('pull') && state.mayPull(wish.account, name)).map(({ name }) => name)
  const id = createHash('sha256').update(`token ${state.random()}`).digest('base64url')
  const access = granted.map((name) => ({ type: 'repository', name, actions: ['pull'] }))
  const token = jwtOf(state, wish, access, id)
  const expiresAt = state.now() + state.settings.tokenLifeSeconds * 1000
  state.tokens.set(token, { account: wish.account, repositories: new Set(granted), expiresAt })
  const content: Record<string, unknown> = {
    token,
    access_token: token,
    expires_in: state.settings.tokenLifeSeconds,
    issued_at: nanoseconds(state.claimedNow()),
  }
  if (wish.wantsRefresh && wish.account !== undefined) {
    const refresh = `dckr_rt_${id}`
    state.refreshTokens.set(refresh, wish.account)
    content['refresh_token'] = refresh
  }
  for (const field of state.settings.tokenOmits) delete content[field]
  return { ...jsonAnswer(200, content), isChunked: true }
}

function isLockedOut(state: State, user: string): boolean {
  const failed = state.failedLogins.get(user)
  if (failed === undefined) return false
  if (state.now() - failed.since >= state.settings.lockOutSeconds * 1000) state.failedLogins.delete(user)
  return failed.count >= state.settings.lockOutAfter && state.failedLogins.has(user)
}

/** The account's name, or the answer that refuses the login. */
function login(state: State, user: string, password: string): string | Answer {
  if (isLockedOut(state, user)) {
    return answerOf(429, { 'Content-Type': 'text/plain' }, 'too many failed login attempts for username or IP address\n')
  }
  if (state.login(user, password) !== undefined) {
    state.failedLogins.delete(user)
    return user
  }
  const failed = state.failedLogins.get(user) ?? { count: 0, since: state.now() }
  failed.count += 1
  state.failedLogins.set(user, failed)
  return jsonAnswer(401, { details: 'incorrect username or password' })
}

function note(exchange: Exchange, wish: Wish): void {
  Object.assign(exchange.entry, { scopes: wish.scopes, ...(wish.account === undefined ? {} : { account: wish.account }) })
}

function viaGet(state: State, exchange: Exchange): Answer {
  const scopes = exchange.query.getAll('scope').flatMap((scope) => scope.split(' '))
  const credentials = basicOf(exchange.headers.authorization)
  note(exchange, { account: credentials?.user, scopes, wantsRefresh: false })
  const account = credentials === undefined ? undefined : login(state, credentials.user, credentials.password)
  if (typeof account === 'object') return account
  return issue(state, { account, scopes, wantsRefresh: exchange.query.get('offline_token') === 'true' })
}

async function viaPost(state: State, exchange: Exchange): Promise<Answer> {
  const form = new URLSearchParams(await readBody(exchange))
  const scopes = (form.get('scope') ?? '').split(' ').filter((scope) => scope !== '')
  note(exchange, { account: form.get('username') ?? undefined, scopes, wantsRefresh: false })
  if (state.settings.tokenPost !== 'accept') return jsonAnswer(state.settings.tokenPost, { details: 'method not allowed' })
  const wantsRefresh = form.get('access_type') === 'offline'
  if (form.get('grant_type') === 'refresh_token') {
    const account = state.refreshTokens.get(form.get('refresh_token') ?? '')
    return account === undefined ? jsonAnswer(401, { details: 'invalid refresh token' }) : issue(state, { account, scopes, wantsRefresh })
  }
  const account = login(state, form.get('username') ?? '', form.get('password') ?? '')
  return typeof account === 'object' ? account : issue(state, { account, scopes, wantsRefresh })
}

/** `GET` and `POST /token`. */
export async function answerAuth(state: State, exchange: Exchange): Promise<Answer> {
  if (exchange.target.kind !== 'token') return answerOf(404, { 'Content-Type': 'text/plain' }, '404 page not found\n')
  if (exchange.method === 'POST') return viaPost(state, exchange)
  return exchange.method === 'GET' ? viaGet(state, exchange) : jsonAnswer(405, { details: 'method not allowed' })
}
