// Reads the description of the admin API, and says where an answer does not fit it. Knows of JSON Schema what that file uses.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly allOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
}

interface Operation {
  readonly responses: Readonly<
    Record<string, { readonly $ref?: string; readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >
}

const document = parse(readFileSync(new URL('../../src/admin/openapi.yaml', import.meta.url), 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

export const described = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
)

/** What of the JSON answer is not as described; nothing where all is well. */
export function misfitsOf(method: string, path: string, status: number, value: unknown): string[] {
  const responses = document.paths[path]?.[method.toLowerCase()]?.responses
  if (responses === undefined) return [`${method} ${path} is not described`]
  const response = responses[String(status)] ?? responses['default']
  if (response === undefined) return [`${method} ${path} may not answer ${status}`]
  if (response.$ref !== undefined) return misfits(document.components.schemas['Failure'] ?? {}, value, '')
  const schema = response.content?.['application/json']?.schema
  return schema === undefined ? [] : misfits(schema, value, '')
}

function misfits(schema: Schema, value: unknown, at: string): string[] {
  if (schema.$ref !== undefined) return misfits(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? { enum: [] }, value, at)
  if (schema.anyOf !== undefined) {
    const all = schema.anyOf.map((each) => misfits(each, value, at))
    return all.some(({ length }) => length === 0) ? [] : all.flat()
  }
  if (schema.allOf !== undefined) return schema.allOf.flatMap((each) => misfits(each, value, at))
  if (schema.enum !== undefined)
    return schema.enum.includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is none of ${schema.enum.join(', ')}`]
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (!isOf(types, typeOf(value))) return [`${at}: ${JSON.stringify(value)} is not ${types.join(' or ')}`]
  return misfitsInside(schema, value, at)
}

function isOf(types: readonly string[], type: string): boolean {
  return types.length === 0 || types.includes(type) || (types.includes('number') && type === 'integer')
}

function misfitsInside(schema: Schema, value: unknown, at: string): string[] {
  if (Array.isArray(value)) return value.flatMap((each, index) => misfits(schema.items ?? {}, each, `${at}[${index}]`))
  if (typeof value !== 'object' || value === null) return []
  return misfitsOfObject(schema, value, at)
}

function misfitsOfObject({ properties = {}, required = [], additionalProperties = true }: Schema, value: object, at: string): string[] {
  const missing = required.filter((name) => !(name in value)).map((name) => `${at}.${name} is missing`)
  const wrong = Object.entries(value).flatMap(([name, each]) => {
    const known = properties[name] ?? additionalProperties
    return known === false ? [`${at}.${name} is not described`] : known === true ? [] : misfits(known, each, `${at}.${name}`)
  })
  return [...missing, ...wrong]
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return Number.isInteger(value) ? 'integer' : typeof value
}
