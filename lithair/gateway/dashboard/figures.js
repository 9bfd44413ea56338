// The models' figures, asked for each second while the page is seen, and kept for five minutes.
// A counter below the one before belongs to a new process: that difference is dropped.
import { batch, computed, signal } from './preact.js'
import { ADMIN, get } from './api.js'
import { who } from './session.js'

const EVERY_MS = 1000
const SERVER_EVERY = 3 // of these
const KEPT = 300 // points of a chart: five minutes
const COUNTS_KEPT = 60 // readings behind the p99 of the last minute

export const models = signal(null) // null until the first answer
export const server = signal(null)
export const failure = signal(null) // why the last asking failed
export const tick = signal(0) // counts readings, for the charts
const past = new Map() // a model's name -> its Past
let bounds = []

export const byName = computed(() => new Map((models.value ?? []).map((one) => [one.name, one])))

// What was read of one model, as charts want it: parallel lists, newest last.
class Past {
  at = []
  reads = []
  writes = []
  readers = []
  p99 = []
  counts = []
  before = null

  add(at, row) {
    const now = row.counters && {
      at,
      reads: row.counters.reads,
      writes: row.counters.writes,
      counts: row.counters.commits.counts,
    }
    const { before } = this
    this.push('at', at)
    this.push('reads', perSecond(before, now, 'reads'))
    this.push('writes', perSecond(before, now, 'writes'))
    this.push('readers', row.streams?.readers ?? null)
    this.push('p99', before && now ? quantile(difference(before.counts, now.counts)) : null)
    if (now) this.counts.push(now.counts)
    if (this.counts.length > COUNTS_KEPT) this.counts.shift()
    this.before = now
  }

  push(name, value) {
    this[name].push(value)
    if (this[name].length > KEPT) this[name].shift()
  }

  // Of the last minute: { value } of a quantile, null where nothing was committed in it.
  minute() {
    if (this.counts.length < 2) return null
    return quantile(difference(this.counts[0], this.counts.at(-1)))
  }
}

function perSecond(before, now, name) {
  if (!before || !now || now[name] < before[name]) return null
  return (now[name] - before[name]) / Math.max(0.001, now.at - before.at)
}

function difference(before, now) {
  const counts = now.map((count, index) => count - (before[index] ?? 0))
  return counts.some((count) => count < 0) ? [] : counts
}

// The upper bound of the bucket that 99 of 100 lie in or below; null when there is nothing.
export function quantile(counts, share = 0.99) {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (!total) return null
  let seen = 0
  for (const [index, count] of counts.entries()) {
    seen += count
    if (seen >= share * total) return bounds[Math.min(index, bounds.length - 1)]
  }
  return null
}

export const pastOf = (name) => past.get(name) ?? new Past()

// Of the last minute, else since the process began.
export function p99(row) {
  return pastOf(row.name).minute() ?? row.counters?.commits.p99_s ?? null
}

// A chart's two lists: of one model, or of all together (sums; for p99 the worst).
export function series(kind, name) {
  if (name) return [pastOf(name).at, pastOf(name)[kind]]
  const all = [...past.values()]
  const at = all[0]?.at ?? []
  const join = kind === 'p99' ? Math.max : (a, b) => a + b
  const values = at.map((_, index) => {
    const there = all
      .map((one) => one[kind][index + one.at.length - at.length])
      .filter((value) => value != null)
    return there.length ? there.reduce((a, b) => join(a, b)) : null
  })
  return [at, values]
}

export function start() {
  let count = 0
  const again = async () => {
    if (who.value && !document.hidden) {
      await ask(count % SERVER_EVERY === 0)
      count += 1
    }
    setTimeout(again, EVERY_MS)
  }
  again()
}

async function ask(wantsServer) {
  try {
    const [told, whole] = await Promise.all([
      get(`${ADMIN}/models`),
      wantsServer ? get(`${ADMIN}/server`) : null,
    ])
    batch(() => {
      take(told.data)
      if (whole) server.value = whole.data
      failure.value = null
    })
  } catch (problem) {
    if (problem.status !== 401) failure.value = problem
  }
}

// For what has just changed something: no waiting for the next reading.
export const refresh = () => ask(true)

function take(told) {
  bounds = told.bounds_s
  const at = new Date(told.at) / 1000
  for (const row of told.models) {
    if (!past.has(row.name)) past.set(row.name, new Past())
    past.get(row.name).add(at, row)
  }
  models.value = told.models
  tick.value += 1
}
