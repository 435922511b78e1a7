// Orders that run when a test is over, because it failed, would keep asking a pebble that is gone, and the test's process alive.
import acme from 'acme-client'

/** Whatever is asked from now on is invalid, which ends every order at its next look. */
export function endOrders(): void {
  acme.axios.defaults.adapter = (config) =>
    Promise.resolve({ data: { status: 'invalid' }, status: 200, statusText: 'OK', headers: { 'replay-nonce': 'none' }, config })
}
