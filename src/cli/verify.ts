// `verify`: re-hashes all that is stored, beside a running server or without one, and with --repair puts damaged content aside and
// fetches it again.
import { type VerifiedFinding, verifyStore } from '../compose/verification.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog, errorText } from '../telemetry/log.ts'
import { readConfigurationAloud } from './configuration.ts'
import { type CommandOptions, version } from './version.ts'

export interface VerifyOptions extends CommandOptions {
  readonly repair: boolean
  readonly json: boolean
}

/** Throws ConfigError. Resolves with the exit code: 1 when something is damaged and was not restored. */
export async function verify(options: VerifyOptions): Promise<number> {
  const { config } = await readConfigurationAloud(options)
  const log = createLog({ level: 'error', formatter: config.log.formatter, fields: config.log.fields })
  const findings: VerifiedFinding[] = []
  const report = (finding: VerifiedFinding) => {
    findings.push(finding)
    if (!options.json)
      process.stdout.write(`${finding.outcome}  ${finding.what}  ${finding.kind}  ${finding.repository}@${finding.digest}\n`)
  }
  try {
    const parts = { log, clock: systemClock, userAgent: `entrepot/${version()}` }
    const { blobs, bytes, damaged } = await verifyStore(config, parts, { isRepair: options.repair }, report)
    const summary = { blobs, bytes, damagedBlobs: damaged.length, findings: findings.length }
    if (options.json) process.stdout.write(`${JSON.stringify({ ...summary, findings })}\n`)
    else process.stdout.write(`${blobs} blobs, ${bytes} bytes verified: ${damaged.length} damaged, ${findings.length} findings\n`)
    const isUnlinkedDamage = !options.repair && damaged.length > 0
    return isUnlinkedDamage || findings.some(({ outcome }) => outcome !== 'restored') ? 1 : 0
  } catch (error) {
    process.stderr.write(`entrepot cannot verify the store: ${errorText(error)}\n`)
    return 1
  }
}
