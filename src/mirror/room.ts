// Whether there is room for a blob: what fills ask before they write.

/** Room that a fill has got. */
export interface Reservation {
  /** The fill is over: what it has kept is counted by now, or is not there. */
  release(): void
}

/** What fills ask for room. */
export interface Room {
  /** `undefined`: it cannot be kept. */
  reserve(bytes: number): Promise<Reservation | undefined>
}
