// Who may import whom: the README's picture as a test. A breach fails `npm run check`.

const seam = 'content(?:-sink)?\\.ts$'

/** Folder → what of src it may import besides itself. */
const neighbours = {
  oci: [],
  lib: [],
  telemetry: ['lib/'],
  config: ['lib/'],
  cluster: ['lib/', 'telemetry/'],
  store: [seam, 'oci/', 'lib/', 'telemetry/', 'cluster/leases\\.ts$'],
  upstream: [seam, 'oci/', 'lib/', 'telemetry/', 'cluster/shared-facts\\.ts$'],
  mirror: [seam, 'oci/', 'lib/', 'telemetry/', 'cluster/(?:leases|held-lease|shared-facts)\\.ts$'],
  auth: ['oci/', 'lib/', 'telemetry/'],
  notify: ['oci/', 'lib/', 'telemetry/'],
  tls: ['lib/', 'telemetry/', 'cluster/leases\\.ts$'],
  http: [seam, 'oci/', 'lib/', 'telemetry/', 'auth/access\\.ts$', 'notify/event\\.ts$'],
  admin: [seam, 'oci/', 'lib/', 'telemetry/', 'auth/access\\.ts$'],
  dashboard: [seam, 'lib/', 'telemetry/'],
  cli: ['admin/api\\.ts$', 'cluster/worker-', 'compose(?:\\.ts$|/)', 'config/', 'lib/', 'telemetry/'],
}

/** Folder → the packages that only it may use. */
const packages = {
  ioredis: 'cluster',
  '@aws-sdk/client-s3': 'store',
  '@aws-sdk/lib-storage': 'store',
  '@azure/storage-blob': 'store',
  bcryptjs: 'auth',
  jose: 'auth',
  'acme-client': 'tls',
  nodemailer: 'telemetry',
  '@prometheus-io/client': 'telemetry',
  preact: 'dashboard',
  uplot: 'dashboard',
  koa: '(?:http|admin|dashboard)',
  '@koa/router': '(?:http|admin|dashboard)',
  koffi: 'http',
  undici: '(?:upstream|cluster|notify|store)',
  tldts: 'upstream',
  yaml: 'config',
  zod: 'config',
  commander: 'cli',
  pino: 'telemetry',
  'p-limit': '(?:mirror|lib|store)',
  'lru-cache': '(?:auth|cluster|http|mirror|store|upstream)',
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
