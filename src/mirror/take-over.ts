// Who goes on with a blob when the replica that fetched it is gone: rather one that has much of it than one that has just been asked. Pure.

/** All who follow know of it after a second or so: whoever has nothing of the blob leaves it to them for that time. */
const newcomerMs = 2_000
/** For who has next to nothing; at least a look at the lease between one who has half and one who has all. */
const followerMs = 800

/** How long a replica leaves a free lease to others. `position`: what it has of the blob's `size` bytes; `undefined`: not known. */
export function holdBackMs(position: number, size: number | undefined): number {
  if (position === 0 || size === undefined || size === 0) return newcomerMs
  return Math.max(0, 1 - position / size) * followerMs
}
