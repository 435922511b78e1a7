// Lists of names as JSON. Content that remembers a list hands out the same array until it changes, so its text is made once: that of
// 100,000 tags takes longer to make than to send.

/** Shorter ones are made faster than looked up and put together. */
const leastNames = 50
const texts = new WeakMap<readonly string[], Buffer>()

/** A JSON array. `names` never change afterwards. */
export function encodedNames(names: readonly string[]): Buffer {
  const known = texts.get(names)
  if (known !== undefined) return known
  const text = Buffer.from(JSON.stringify(names))
  if (names.length >= leastNames) texts.set(names, text)
  return text
}
