// The fault matrix, part registry.
import { pullLimit, troubles } from './faults.ts'
import { testTrouble } from './matrix.ts'

for (const trouble of [...troubles, pullLimit]) testTrouble(trouble, 'registry')
