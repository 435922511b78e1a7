// Questions between a worker process and the primary process that started it, over Node's channel between them.

interface Question {
  readonly entrepot: 'question'
  readonly id: number
  readonly service: string
  readonly args: readonly unknown[]
}

interface Reply {
  readonly entrepot: 'reply'
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** One end of the channel: a `process` or a worker of node:cluster. */
export interface Channel {
  send?(message: unknown): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
}

/** One side's view of the other: a worker's of the primary, above all. */
export interface Link {
  /** Throws when the other side is gone, and what the service threw. Arguments and answers are JSON. */
  ask(service: string, ...args: readonly unknown[]): Promise<unknown>
  /** What the other side may ask from now on, beside what it may already. */
  answer(more: Services): void
}

export function linkTo(channel: Channel): Link {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const services: Record<string, Services[string]> = {}
  answerQuestions(channel, services)
  let last = 0
  channel.on('message', (message) => {
    if (!isReply(message)) return
    const waiter = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error === undefined) waiter?.resolve(message.value)
    else waiter?.reject(new Error(message.error))
  })
  return {
    ask(service, ...args) {
      const id = (last += 1)
      const waiter = Promise.withResolvers<unknown>()
      waiting.set(id, waiter)
      try {
        channel.send?.({ entrepot: 'question', id, service, args } satisfies Question)
      } catch (error) {
        waiting.delete(id)
        waiter.reject(new Error('the other process is gone', { cause: error }))
      }
      return waiter.promise
    },
    answer: (more) => void Object.assign(services, more),
  }
}

export type Services = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>

export function answerQuestions(channel: Channel, services: Services): void {
  channel.on('message', (message) => {
    if (isQuestion(message)) void reply(channel, message, services)
  })
}

async function reply(channel: Channel, { id, service, args }: Question, services: Services): Promise<void> {
  const answer: { -readonly [Key in keyof Reply]: Reply[Key] } = { entrepot: 'reply', id }
  try {
    const serve = services[service]
    if (serve === undefined) throw new Error(`no service ${service}`)
    answer.value = await serve(...args)
  } catch (error) {
    answer.error = error instanceof Error ? error.message : String(error)
  }
  try {
    channel.send?.(answer)
  } catch {
    // The worker died; what it held is given up when its end is noticed.
  }
}

function isQuestion(message: unknown): message is Question {
  return typeof message === 'object' && message !== null && (message as { entrepot?: unknown }).entrepot === 'question'
}

function isReply(message: unknown): message is Reply {
  return typeof message === 'object' && message !== null && (message as { entrepot?: unknown }).entrepot === 'reply'
}
