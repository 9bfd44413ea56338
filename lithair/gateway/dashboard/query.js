// The public query grammar (docs/http.md#queries), as rows of a form and back. Pure.
export const OPERATORS = [
  ['', 'is'],
  ['!', 'is not'],
  ['~', 'contains'],
  ['>', '>'],
  ['>=', '≥'],
  ['<', '<'],
  ['<=', '≤'],
  ['[', 'is any of'],
  ['null', 'is null'],
  ['!null', 'is not null'],
]
export const NAMES = Object.fromEntries(OPERATORS)
const OTHERS = ['sort', 'skip', 'take', 'as_of']
const BEGINS_AS_OPERATOR = /^([=!<>~[]|null$)/

// "year=>2000&sort=-stars" -> { filters: [{field, operator, value}], sort, skip, take, as_of }
export function parse(query) {
  const found = { filters: [], sort: '', skip: 0, take: 50, as_of: '' }
  for (const [name, text] of new URLSearchParams(query)) {
    if (!OTHERS.includes(name)) found.filters.push(filter(name, text))
    else if (name === 'skip' || name === 'take') found[name] = Math.max(0, Number(text) || 0)
    else found[name] = text
  }
  return found
}

function filter(field, text) {
  if (text === 'null' || text === '!null') return { field, operator: text, value: '' }
  if (text.startsWith('[') && text.endsWith(']')) {
    return { field, operator: '[', value: text.slice(1, -1) }
  }
  const operator = ['>=', '<=', '>', '<', '!', '~'].find((one) => text.startsWith(one)) ?? ''
  const value = text.slice(operator.length)
  return { field, operator, value: operator === '' && value.startsWith('=') ? value.slice(1) : value }
}

export function written({ operator, value }) {
  if (operator === 'null' || operator === '!null') return operator
  if (operator === '[') return `[${value}]`
  if (operator === '') return BEGINS_AS_OPERATOR.test(value) ? `=${value}` : value
  return operator + value
}

// The filters alone, or with everything that differs from its default.
export function filterQuery({ filters }) {
  return encoded(filters.map((one) => [one.field, written(one)]))
}

export function pageQuery(asked) {
  const pairs = asked.filters.map((one) => [one.field, written(one)])
  if (asked.sort) pairs.push(['sort', asked.sort])
  if (asked.skip) pairs.push(['skip', asked.skip])
  if (asked.take !== 50) pairs.push(['take', asked.take])
  if (asked.as_of !== '') pairs.push(['as_of', asked.as_of])
  return encoded(pairs)
}

// Readable where it may be: of what the grammar uses only & + % # and space are escaped.
export function encoded(pairs) {
  const part = (text) =>
    encodeURIComponent(text).replace(/%(3E|3C|3D|21|7E|5B|5D|2C|3A)/g, (x) => decodeURIComponent(x))
  return pairs.map(([name, value]) => `${encodeURIComponent(name)}=${part(String(value))}`).join('&')
}

// What a click on a column's head asks for: ascending, descending, not at all.
export function nextSort(sort, field) {
  if (sort === field) return `-${field}`
  return sort === `-${field}` ? '' : field
}
