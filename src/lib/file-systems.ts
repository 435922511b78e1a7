// Which file systems belong to one machine: locks and shared memory hold there, and nowhere else for sure.
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

/** linux/magic.h, statfs(2): ext2 to ext4, XFS, Btrfs, ZFS, F2FS, bcachefs, tmpfs, ramfs, overlayfs; APFS on macOS. */
const local: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0xca451a4e, 0x01021994, 0x858458f6, 0x794c7630, 0x1a,
])

export function isLocalFileSystem(type: number): boolean {
  return local.has(type)
}

/** Whether the folder, or the nearest one above it that is there, is on a disk of this machine. What is not known is not. */
export async function isOnThisMachine(folder: string): Promise<boolean> {
  for (let place = folder; ; place = dirname(place)) {
    const stats = await statfs(place).catch(() => undefined)
    if (stats !== undefined) return isLocalFileSystem(stats.type)
    if (dirname(place) === place) return false
  }
}
