// Who may import whom: the README's picture as a test. A breach fails `npm run check`.

/** Folder → what of src it may import besides itself. */
const neighbours = {
  oci: [],
  lib: [],
  telemetry: ['lib/'],
  config: ['lib/'],
  store: ['content(?:-sink)?\\.ts$', 'oci/', 'lib/', 'telemetry/'],
  upstream: ['content(?:-sink)?\\.ts$', 'oci/', 'lib/', 'telemetry/'],
  mirror: ['content(?:-sink)?\\.ts$', 'oci/', 'lib/', 'telemetry/'],
  http: ['content(?:-sink)?\\.ts$', 'oci/', 'lib/', 'telemetry/'],
  cli: ['compose\\.ts$', 'config/', 'lib/', 'telemetry/'],
}

/** Folder → the packages that only it may use. */
const packages = {
  koa: 'http',
  '@koa/router': 'http',
  koffi: 'http',
  undici: 'upstream',
  tldts: 'upstream',
  yaml: 'config',
  zod: 'config',
  commander: 'cli',
  pino: 'telemetry',
  'p-limit': '(?:mirror|lib)',
  'lru-cache': '(?:mirror|store|upstream)',
}

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-tests-in-the-program', severity: 'error', from: { path: '^src/' }, to: { path: '^test/' } },
    { name: 'the-seam-knows-only-the-vocabulary', severity: 'error', from: { path: '^src/content(?:-sink)?\\.ts$' }, to: { path: '^src/', pathNot: '^src/oci/' } },
    ...Object.entries(neighbours).map(([folder, allowed]) => ({
      name: `neighbours-of-${folder}`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: [`^src/${folder}/`, ...allowed.map((each) => `^src/${each}`)] },
    })),
    ...Object.entries(packages).map(([name, folder]) => ({
      name: `only-${folder.replace(/\W+/g, '-')}-uses-${name.replace(/\W+/g, '-')}`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/${folder}/` },
      to: { path: `^node_modules/${name}/` },
    })),
    { name: 'nothing-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^koffi$' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.mjs', '.js', '.json'], exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
