// Methods that a known route does not take here, above all writes: this registry mirrors, it does not keep what is pushed.
import { RegistryError } from '../../oci/errors.ts'
import { answerError } from '../error-response.ts'
import type { Exchange } from '../exchange.ts'

/** `allowed` is the value of Allow; RFC 9110 lets it be empty. */
export function answerRefused(exchange: Exchange, allowed: string): void {
  answerError(exchange, new RegistryError('UNSUPPORTED', 'The operation is unsupported.'), ['Allow', allowed])
}
