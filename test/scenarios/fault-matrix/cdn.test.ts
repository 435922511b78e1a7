// The fault matrix, part CDN.
import { troubles } from './faults.ts'
import { testCdnTrouble } from './matrix.ts'

for (const trouble of troubles) testCdnTrouble(trouble)
