// Tags and repositories, whole and in pages.
import { dockerImage } from '../../support/images.ts'
import type { Step } from '../step.ts'
import { pushImageSteps } from './pushing.ts'

const image = dockerImage({ seed: 'differential lists' })
const tags = ['a', 'b', 'B', '1.10', '1.9', 'latest', '_x']
const repositories = ['lists/app', 'lists/app/deep', 'lists/app-two', 'lists']

async function pushes(): Promise<Step[]> {
  const steps: Step[] = []
  for (const repository of repositories) {
    steps.push(...(await pushImageSteps(`lists: push ${repository}`, repository, image, repository === 'lists/app' ? tags : ['latest'])))
  }
  return steps
}

const tagQueries = ['', '?n=100', '?n=3', '?n=7', '?last=a', '?n=2&last=1.9', '?last=zzz', '?n=0', '?n=-1', '?n=many', '?n=']
const catalogQueries = [
  '',
  '?n=2',
  '?n=2&last=lists',
  '?n=100',
  '?n=1000',
  '?last=lists/app',
  '?last=zzz',
  '?n=0',
  '?n=-1',
  '?n=many',
  '?n=5000',
  '?n=',
]

export const listSteps: readonly Step[] = [
  { what: 'lists: the catalog before anything', ask: 'GET /v2/_catalog' },
  { what: 'lists: tags of an unknown repository', ask: 'GET /v2/lists/nowhere/tags/list' },
  ...(await pushes()),
  ...tagQueries.map((query) => ({ what: `lists: tags${query}`, ask: `GET /v2/lists/app/tags/list${query}` })),
  { what: 'lists: HEAD of tags', ask: 'HEAD /v2/lists/app/tags/list' },
  ...catalogQueries.map((query) => ({ what: `lists: catalog${query}`, ask: `GET /v2/_catalog${query}` })),
  { what: 'lists: HEAD of the catalog', ask: 'HEAD /v2/_catalog' },
]
