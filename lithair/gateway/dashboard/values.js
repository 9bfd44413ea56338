// Values of fields: their JSON Schema's kind, their text in a form, and what differs. Pure.
const ALONE = { integer: 'number', number: 'number', boolean: 'boolean', string: 'text' }

// { kind: text | number | boolean | choice | json, schema, choices }
export function shapeOf(field, definitions = {}) {
  const schema = resolved(field.schema ?? {}, definitions)
  const choices = schema.enum?.filter((one) => one !== null)
  if (choices) return { kind: 'choice', schema, choices }
  return { kind: ALONE[schema.type] ?? 'json', schema, choices: null }
}

export const isNumeric = (field, definitions) => shapeOf(field, definitions).kind === 'number'

function resolved(schema, definitions) {
  if (schema.$ref) return resolved(definitions[schema.$ref.split('/').pop()] ?? {}, definitions)
  const several = schema.anyOf ?? schema.oneOf
  if (!several) return schema
  const left = several.filter((one) => one.type !== 'null')
  return left.length === 1 ? { ...resolved(left[0], definitions), default: schema.default } : {}
}

// How a value is written in its field; null is told apart by the form.
export function textOf(shape, value) {
  if (value == null) return ''
  if (shape.kind === 'json') return JSON.stringify(value, null, 2)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

// { value } or { fault }: what the text means. What the server checks is left to the server.
export function valueOf(shape, text) {
  if (shape.kind === 'text') return { value: text }
  if (shape.kind === 'boolean') return { value: text === 'true' }
  if (shape.kind === 'choice') {
    return { value: shape.choices.find((one) => String(one) === text) ?? text }
  }
  if (shape.kind === 'number' && !/^\s*-?\d/.test(text)) return { fault: 'is not a number' }
  try {
    const value = JSON.parse(text)
    const isExact = !Number.isInteger(value) || Number.isSafeInteger(value)
    return isExact ? { value } : { fault: 'has more digits than a browser keeps; send it by HTTP' }
  } catch {
    return { fault: shape.kind === 'number' ? 'is not a number' : 'is not JSON' }
  }
}

// What the server asks of it, in a few words.
export function rules({ kind, schema }) {
  const found = []
  if (schema.format && !['date', 'uuid'].includes(schema.format)) found.push(schema.format)
  const sign = { minimum: '≥', exclusiveMinimum: '>', maximum: '≤', exclusiveMaximum: '<' }
  for (const [name, text] of Object.entries(sign)) {
    if (schema[name] != null) found.push(`${text} ${schema[name]}`)
  }
  if (schema.minLength === 1) found.push('not empty')
  else if (schema.minLength) found.push(`at least ${schema.minLength} characters`)
  if (schema.maxLength) found.push(`at most ${schema.maxLength} characters`)
  if (kind === 'json') found.push('JSON')
  return found.join(', ')
}

export function same(one, other) {
  if (Object.is(one, other)) return true
  if (typeof one !== 'object' || typeof other !== 'object' || !one || !other) return false
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const names = Object.keys(one)
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]))
  )
}

// The JSON Merge Patch (RFC 7396) that makes `other` of `one`.
export function mergePatch(one, other) {
  const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value)
  if (!isObject(one) || !isObject(other)) return other
  const patch = {}
  for (const name of Object.keys(one)) if (!Object.hasOwn(other, name)) patch[name] = null
  for (const [name, value] of Object.entries(other)) {
    if (!Object.hasOwn(one, name)) patch[name] = value
    else if (!same(one[name], value)) patch[name] = mergePatch(one[name], value)
  }
  return patch
}

// [{ name, old, new }] of two versions of an item; either may be missing. What the server fills in
// with each write (`fields`) is no news.
export function differences(before, after, fields = []) {
  const filledIn = new Set(fields.filter((one) => one.filled_in).map((one) => one.name))
  const names = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...names]
    .filter((name) => !filledIn.has(name) && !same(before?.[name], after?.[name]))
    .map((name) => ({ name, old: before?.[name], new: after?.[name] }))
}
