// What a scrape says, as numbers that can be asked for.
import assert from 'node:assert/strict'

export interface Scrape {
  readonly text: string
  /** Names of all samples, with their label names: `a_total{code,method}`. */
  readonly shapes: ReadonlySet<string>
  /** The sum of all samples of this name that have these labels; 0 when there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
}

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export async function scrape(url: string): Promise<Scrape> {
  const response = await fetch(url)
  assert.deepEqual([response.status, response.headers.get('content-type')?.split(';')[0]], [200, 'text/plain'])
  const text = await response.text()
  const samples = parse(text)
  return {
    text,
    shapes: new Set(samples.map(({ name, labels }) => `${name}{${Object.keys(labels).toSorted().join(',')}}`)),
    sum: (name, wanted = {}) =>
      samples
        .filter((sample) => sample.name === name && Object.entries(wanted).every(([key, value]) => sample.labels[key] === value))
        .reduce((total, { value }) => total + value, 0),
  }
}

function parse(text: string): Sample[] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => {
    const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    assert.notEqual(name, '', line)
    const pairs = Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g), ([, key = '', text = '']) => [key, text] as const)
    return { name, labels: Object.fromEntries(pairs), value: Number(value) }
  })
}
