// The schema's outline (sections, maps, lists, single values), for whoever must walk it without parsing: variables, typing errors, printing.

import { z } from 'zod'

import { leafFacts } from './leaves.ts'
import type { LeafFacts } from './leaves.ts'
import { configSchema } from './schema.ts'

export interface Section {
  readonly kind: 'section'
  readonly keys: ReadonlyMap<string, Shape>
}
export type Shape =
  | Section
  | { readonly kind: 'map'; readonly value: Shape }
  | { readonly kind: 'list'; readonly item: Shape }
  | { readonly kind: 'leaf'; readonly facts: LeafFacts }

/** The outline of the whole configuration. */
export const configShape: Section = sectionOf(configSchema)

function sectionOf(schema: z.ZodObject): Section {
  const keys = Object.entries(schema.shape).map(([key, child]) => [key, shapeOf(child as z.core.$ZodType)] as const)
  return { kind: 'section', keys: new Map(keys) }
}

function shapeOf(schema: z.core.$ZodType): Shape {
  const facts = leafFacts.get(schema)
  if (facts !== undefined) return { kind: 'leaf', facts }
  if (schema instanceof z.ZodObject) return sectionOf(schema)
  if (schema instanceof z.ZodRecord) return { kind: 'map', value: shapeOf(schema.valueType) }
  if (schema instanceof z.ZodArray) return { kind: 'list', item: shapeOf(schema.element) }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return shapeOf(schema.def.innerType)
  }
  // A preprocess step is a pipe out of a transform; what it accepts is what stands behind it.
  if (schema instanceof z.ZodPipe) return shapeOf(schema.in instanceof z.ZodTransform ? schema.out : schema.in)
  if (schema instanceof z.ZodUnion) return shapeOf(schema.options[0] as z.core.$ZodType)
  throw new TypeError(`the configuration schema uses a type without an outline: ${schema._zod.def.type}`)
}
