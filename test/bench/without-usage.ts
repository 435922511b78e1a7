// Loaded before a server whose costs are compared: the usage index is told of no use there. Nothing else is different.
import { Usage } from '../../src/mirror/usage.ts'

Usage.prototype.noteManifest = () => undefined
Usage.prototype.noteBlob = () => undefined
