import { LocalLeases } from '../../src/cluster/local-leases.ts'
import { leasesContract } from '../contracts/leases.ts'

leasesContract('in memory', async () => {
  const leases = new LocalLeases('a')
  return { a: leases, b: leases, [Symbol.asyncDispose]: async () => undefined }
})
