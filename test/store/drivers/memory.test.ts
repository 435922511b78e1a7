import { systemClock } from '../../../src/lib/clock.ts'
import { MemoryDriver } from '../../../src/store/drivers/memory.ts'
import { storageDriverContract } from '../../contracts/storage-driver.ts'

storageDriverContract('inmemory', async () => ({
  driver: new MemoryDriver({ clock: systemClock }),
  [Symbol.asyncDispose]: async () => {},
}))
