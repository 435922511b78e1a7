// The fault matrix, part token server.
import { tokenTroubles, troubles } from './faults.ts'
import { testTrouble } from './matrix.ts'

for (const trouble of [...troubles, ...tokenTroubles]) testTrouble(trouble, 'token server')
