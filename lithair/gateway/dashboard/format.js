// How figures are written. All of them are stable in width: the page has tabular figures.
const whole = new Intl.NumberFormat('en')
const ONE = { minimumFractionDigits: 1, maximumFractionDigits: 1 }
const tenths = new Intl.NumberFormat('en', ONE)
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
const NOTHING = '–'

export const number = (value) => (value == null ? NOTHING : whole.format(value))

export function rate(value) {
  if (value == null) return NOTHING
  return value < 100 && value % 1 ? tenths.format(value) : whole.format(Math.round(value))
}

export function bytes(value) {
  if (value == null) return NOTHING
  let unit = 0
  let left = value
  while (left >= 1024 && unit < UNITS.length - 1) {
    left /= 1024
    unit += 1
  }
  return `${unit === 0 || left >= 100 ? whole.format(Math.round(left)) : tenths.format(left)} ${UNITS[unit]}`
}

export function seconds(value) {
  if (value == null) return NOTHING
  if (value === 0) return '0'
  if (value < 0.001) return `${whole.format(Math.round(value * 1e6))} µs`
  if (value < 1) return `${Number((value * 1e3).toFixed(1))} ms`
  return `${Number(value.toFixed(1))} s`
}

// "3 d 4 h", "12 min", "8 s".
export function span(value) {
  if (value == null) return NOTHING
  const s = Math.max(0, Math.floor(value))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`
}

const pad = (value, width = 2) => String(value).padStart(width, '0')

export function clock(date) {
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
}

// A time of the server's, in the reader's zone.
export function time(text) {
  if (!text) return NOTHING
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) return String(text)
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${clock(date)}`
}

export function ago(text) {
  if (!text) return 'never'
  return `${span((Date.now() - new Date(text)) / 1000)} ago`
}

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`
}

// A value of an item, in one line.
export function brief(value, max = 80) {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const flat = (text ?? '').replace(/\s+/g, ' ')
  return flat.length > max ? `${flat.slice(0, max - 1)}…` : flat
}

// An id that a program has made, by its two ends; the whole of it is in the title.
export function short(id) {
  return id.length > 24 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id
}
