// Ceph's S3 (radosgw over one monitor and one storage daemon that keeps everything in memory) as plain processes on free ports
// of 127.0.0.1. It needs some ten seconds to start, so a test file shares one and takes a bucket for each test.
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { type Package, programPath } from '../packages.ts'
import { removeServerFolder, serverFolder, type ServerProcess, startServerProcess } from './process.ts'
import { runProgram } from './program.ts'

export const radosgwPackages: readonly Package[] = ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-common']

export interface Radosgw extends AsyncDisposable {
  /** `http://127.0.0.1:port`; buckets are the first part of the path. */
  readonly url: string
  readonly port: number
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
  /** The AWS SDK's client, for looking behind the driver's back. */
  readonly client: S3Client
  /** A new, empty bucket; its name. */
  newBucket(): Promise<string>
  /** The parameters of `storage.s3`, for us as for distribution. */
  parametersOf(bucket: string): Readonly<Record<string, unknown>>
  /** Kills the gateway; what is stored stays. */
  kill(): Promise<void>
  /** Starts a killed gateway again on the same port. */
  start(): Promise<void>
  /** The gateway takes connections and answers nothing until `resume`. */
  pause(): void
  resume(): void
}

export async function startRadosgw(): Promise<Radosgw> {
  await using building = new AsyncDisposableStack()
  const folder = await serverFolder('s3')
  building.defer(() => removeServerFolder(folder))
  const [monitorPort, port] = await freePorts()
  const configuration = await writeConfiguration(folder, monitorPort, port)
  const command = (name: string, program: string, ...args: readonly string[]) =>
    startServerProcess({ folder: join(folder, name), command: programPath(program), args: ['-c', configuration, ...args], ready: /\S/ })
  const daemon = async (name: string, program: string, ...args: readonly string[]) => {
    const started = await command(name, program, ...args, '-d')
    building.defer(() => endAtOnce(started))
    return started
  }
  const tool = (program: string, ...args: readonly string[]) => runProgram(program, ['-c', configuration, ...args], { cwd: folder })

  const map = join(folder, 'monmap')
  const monitor = `v1:127.0.0.1:${monitorPort}`
  await runProgram('monmaptool', ['--create', '--clobber', '--fsid', fsidOf(folder), '--addv', 'a', `[${monitor}]`, map])
  await tool('ceph-mon', '-i', 'a', '--mkfs', '--monmap', map)
  await daemon('mon', 'ceph-mon', '-i', 'a')
  const disk = randomUUID()
  await insistently(() => tool('ceph', '--connect-timeout', '20', 'osd', 'new', disk))
  await tool('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', disk)
  await insistently(async () => (await daemon('osd', 'ceph-osd', '-i', '0')).waitForOutput(/booting -> active/))
  const [accessKey, secretKey] = ['test', 'testing']
  const keys = ['--access-key=test', '--secret-key=testing']
  await tool('radosgw-admin', 'user', 'create', '--uid=test', '--display-name=test', ...keys)

  const gateway = { process: undefined as ServerProcess | undefined }
  building.defer(async () => gateway.process && endAtOnce(gateway.process))
  const start = async () => {
    await mkdir(join(folder, 'rgw'), { recursive: true })
    gateway.process = await command('rgw', 'radosgw', '-n', 'client.rgw', '-d')
    await gateway.process.waitForOutput(/starting handler: beast/)
    await answering(port)
  }
  await start()
  const url = `http://127.0.0.1:${port}`
  const region = 'us-east-1'
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  building.defer(() => client.destroy())
  const running = building.move()
  let buckets = 0
  return {
    url,
    port,
    region,
    accessKey,
    secretKey,
    client,
    async newBucket() {
      const name = `bucket-${++buckets}`
      await client.send(new CreateBucketCommand({ Bucket: name }))
      return name
    },
    parametersOf: (bucket) => ({
      bucket,
      region,
      regionendpoint: url,
      accesskey: accessKey,
      secretkey: secretKey,
      secure: false,
      forcepathstyle: true,
    }),
    async kill() {
      if (gateway.process !== undefined) await endAtOnce(gateway.process)
      gateway.process = undefined
    },
    start,
    pause: () => void (gateway.process && process.kill(gateway.process.pid, 'SIGSTOP')),
    resume: () => void (gateway.process && process.kill(gateway.process.pid, 'SIGCONT')),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** While the monitor still makes up its mind it refuses commands, and the storage daemon ends without a word in one start of three. */
async function insistently(start: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await start()
      return
    } catch (error) {
      if (attempt === 6) throw error
    }
  }
}

/** Nothing of it is worth a tidy end, which takes its time: everything lies in memory and in a folder that goes. */
async function endAtOnce(daemon: ServerProcess): Promise<void> {
  try {
    process.kill(-daemon.pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
  await daemon[Symbol.asyncDispose]()
}

/** The log speaks of the port a little before the port does. */
async function answering(port: number): Promise<void> {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; ) {
    try {
      await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer()
      return
    } catch {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  throw new Error('radosgw does not answer')
}

async function freePorts(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()]
  const ports = servers.map(async (server) => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  })
  const [first = 0, second = 0] = await Promise.all(ports)
  for (const server of servers) server.close()
  return [first, second]
}

/** A cluster's name for itself: any UUID, the same for all of its parts. */
function fsidOf(folder: string): string {
  return `00000000-0000-4000-8000-${Buffer.from(folder.slice(-6)).toString('hex').padStart(12, '0')}`
}

async function writeConfiguration(folder: string, monitorPort: number, port: number): Promise<string> {
  for (const part of ['mon', 'osd', 'rgw', 'data/mon', 'data/osd', 'data/rgw']) await mkdir(join(folder, part), { recursive: true })
  const file = join(folder, 'ceph.conf')
  const settings = `
[global]
fsid = ${fsidOf(folder)}
mon host = v1:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
ms bind ipv6 = false
ms bind port min = 20000
ms bind port max = 29000
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 10000
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
osd class load list = *
osd class default list = *
run dir = ${folder}
admin socket = ${folder}/$name.asok
log file =
pid file =
mon data = ${folder}/data/mon
osd data = ${folder}/data/osd
rgw data = ${folder}/data/rgw
mon data avail crit = 1
paxos propose interval = 0.01
paxos min wait = 0.01
osd client watch timeout = 2
[mon.a]
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw zone group = default
rgw enable usage log = false
rgw thread pool size = 32
rgw dns name = localhost
rgw enable ops log = false
rgw gc obj min wait = 60
rgw cache enabled = false
`
  await writeFile(file, settings)
  return file
}
