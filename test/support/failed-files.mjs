// A reporter of Node's test runner: the file of each test that failed, one a line, for the run that tries these once more.

/** @param {AsyncIterable<{ type: string, data: { file?: string } }>} events */
export default async function* failedFiles(events) {
  for await (const { type, data } of events) if (type === 'test:fail' && data.file !== undefined) yield `${data.file}\n`
}
