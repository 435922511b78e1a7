// One certificate from an ACME server (RFC 8555): account, order, challenge, certificate. The library is loaded on first use only.
import { accountFile, type KeptFiles, type KeyAndCertificate } from './kept-files.ts'

export interface AcmeSettings {
  readonly email: string | undefined
  readonly directoryUrl: string | undefined
}

const pollEveryMs = 1_000
/** The library would wait half a minute between two looks, with clients in their handshakes. */
const longestPollMs = 5_000
const polls = 20

/** The names of challenges in progress, which any replica may be asked for. */
export const alpnName = (host: string) => `${host}+alpn`
export const tokenName = (token: string) => `${token}+http-01`

export type ChallengeKind = 'tls-alpn-01' | 'http-01'

/** Throws what the server or the network says. Challenges are gone afterwards. */
export async function orderCertificate(
  host: string,
  kind: ChallengeKind,
  { email, directoryUrl }: AcmeSettings,
  files: KeptFiles,
): Promise<KeyAndCertificate> {
  const { default: acme } = await import('acme-client')
  let accountKey = await files.find(accountFile)
  if (accountKey === undefined) {
    accountKey = String(await acme.crypto.createPrivateEcdsaKey())
    await files.put(accountFile, accountKey)
  }
  const client = new acme.Client({
    directoryUrl: directoryUrl ?? acme.directory.letsencrypt.production,
    accountKey,
    backoffMin: pollEveryMs,
    backoffMax: longestPollMs,
    backoffAttempts: polls,
  })
  const [key, csr] = await acme.crypto.createCsr({ commonName: host, altNames: [host] }, await acme.crypto.createPrivateEcdsaKey())
  const cert = await client.auto({
    csr,
    ...(email === undefined ? {} : { email }),
    termsOfServiceAgreed: true,
    // It would ask this server by its public name, which need not work from inside.
    skipChallengeVerification: true,
    challengePriority: [kind],
    async challengeCreateFn(authorization, challenge, keyAuthorization) {
      if (challenge.type === 'http-01') return files.put(tokenName(challenge.token), keyAuthorization)
      const [challengeKey, challengeCert] = await acme.crypto.createAlpnCertificate(authorization, keyAuthorization)
      return files.putPair(alpnName(host), { key: String(challengeKey), cert: String(challengeCert) })
    },
    challengeRemoveFn: (_authorization, challenge) =>
      files.remove(challenge.type === 'http-01' ? tokenName(challenge.token) : alpnName(host)),
  })
  return { key: String(key), cert }
}
