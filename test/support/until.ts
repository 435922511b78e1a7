// Waiting for a fact that nobody announces.

/** Resolves when `fact` holds; asks again after each turn of the event loop. Rejects after `withinMs`. */
export async function until(what: string, fact: () => boolean | Promise<boolean>, withinMs = 5000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await fact())) {
    if (performance.now() > deadline) throw new Error(`did not happen: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
