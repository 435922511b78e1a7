// An SMTP server that keeps what it is sent: as much of RFC 5321 as a client needs, and AUTH PLAIN.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  /** Headers and body. */
  readonly text: string
  readonly login: string | undefined
}

export interface MailServer extends AsyncDisposable {
  readonly addr: string
  readonly mails: Mail[]
  /** Accept connections and say nothing. */
  isMute: boolean
}

export async function startMailServer(): Promise<MailServer> {
  const mails: Mail[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    if (!it.isMute) converse(socket, mails)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const it: MailServer = {
    addr: `127.0.0.1:${port}`,
    mails,
    isMute: false,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return it
}

function converse(socket: Socket, mails: Mail[]): void {
  let waiting = ''
  let text: string | undefined
  let mail = { from: '', to: [] as string[], login: undefined as string | undefined }
  const say = (line: string) => socket.write(`${line}\r\n`)
  const verbs: Readonly<Record<string, (line: string) => void>> = {
    EHLO: () => say('250-here\r\n250 AUTH PLAIN'),
    AUTH(line) {
      mail.login = Buffer.from(line.split(' ')[2] ?? '', 'base64').toString()
      say('235 fine')
    },
    MAIL(line) {
      mail = { ...mail, from: /<(.*)>/.exec(line)?.[1] ?? '', to: [] }
      say('250 fine')
    },
    RCPT(line) {
      mail.to.push(/<(.*)>/.exec(line)?.[1] ?? '')
      say('250 fine')
    },
    DATA() {
      text = ''
      say('354 go on')
    },
    QUIT() {
      say('221 bye')
      socket.end()
    },
  }
  const command = (line: string) => (verbs[line.toUpperCase().split(' ', 1)[0] ?? ''] ?? (() => say('250 fine')))(line)
  say('220 here')
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    waiting += chunk
    for (let end = waiting.indexOf('\r\n'); end >= 0; end = waiting.indexOf('\r\n')) {
      const line = waiting.slice(0, end)
      waiting = waiting.slice(end + 2)
      if (text === undefined) command(line)
      else if (line !== '.') text += `${line}\n`
      else {
        mails.push({ ...mail, text })
        text = undefined
        say('250 kept')
      }
    }
  })
}
