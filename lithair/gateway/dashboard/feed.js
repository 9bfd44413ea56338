// The changes of one model, from its ordinary stream. One at a time: a browser opens six connections
// to a host, and each page takes one. The stream is closed while the page is not seen, and goes on
// from where it was.
import { batch, signal } from './preact.js'
import { get, itemPath } from './api.js'

const KEPT = 200
const EARLIER = 30 // events of the past that a feed begins with
const AGAIN_MS = 3000
const LOOKING_MAX = 3 // questions at a time for what an item was before
const KINDS = ['create', 'update', 'delete']

export const changes = signal([]) // newest first: { seq, kind, id, item, before, at }
export const state = signal('closed') // connecting, live, waiting, off, closed
const hearers = new Set() // called with each change
let model = null
let source = null
let last = 0
let begun = 0 // the seq when the feed was opened: what came up to it has no time
let timer = 0
let looking = 0
const known = new Map() // id -> the item as it was last told

export function follow(row, key) {
  if (model?.name === row.name) return
  close()
  model = { name: row.name, path: row.path, key }
  known.clear()
  changes.value = []
  if (!row.has_streams) {
    state.value = 'off'
    return
  }
  begun = row.stats?.seq ?? 0
  last = Math.max(0, begun - EARLIER)
  open()
}

export function close() {
  model = null
  stop()
  state.value = 'closed'
}

export function hear(hearer) {
  hearers.add(hearer)
  return () => hearers.delete(hearer)
}

document.addEventListener('visibilitychange', () => {
  if (!model || state.value === 'off') return
  if (document.hidden) stop()
  else if (!source) open()
})

function stop() {
  clearTimeout(timer)
  source?.close()
  source = null
}

function open() {
  stop()
  state.value = 'connecting'
  const opened = new EventSource(`${model.path}/stream?since=${last}`)
  source = opened
  opened.addEventListener('connected', () => (state.value = 'live'))
  opened.addEventListener('reset', (event) => {
    last = JSON.parse(event.data).seq
    begun = Math.max(begun, last)
    state.value = 'live'
  })
  for (const kind of KINDS) opened.addEventListener(kind, (event) => take(kind, event))
  opened.addEventListener('error', () => {
    state.value = 'waiting'
    if (opened.readyState === EventSource.CLOSED) lost(opened)
  })
}

// An EventSource that was refused stays closed: a new one, unless there are no streams at all.
async function lost(opened) {
  if (source !== opened) return
  timer = setTimeout(() => model && !document.hidden && open(), AGAIN_MS)
  try {
    await get('/health') // who is logged out learns it from the next reading of the figures
  } catch {
    // The server is away; the timer goes on.
  }
}

function take(kind, event) {
  const { item } = JSON.parse(event.data)
  const seq = Number(event.lastEventId)
  if (seq <= last) return
  last = seq
  const id = item[model.key]
  const change = { seq, kind, id, item, before: known.get(id), at: seq > begun ? new Date() : null }
  if (kind === 'delete') known.delete(id)
  else known.set(id, item)
  if (known.size > KEPT * 5) known.delete(known.keys().next().value)
  batch(() => {
    changes.value = [change, ...changes.value].slice(0, KEPT)
    for (const hearer of hearers) hearer(change)
  })
  if (kind === 'update' && !change.before && change.at) lookBack(change, model)
}

// What an item was before, where this page has not seen it: asked for unless many come at once.
async function lookBack(change, of) {
  if (looking >= LOOKING_MAX) return
  looking += 1
  try {
    const { data } = await get(`${itemPath(of, change.id)}?as_of=${change.seq - 1}`)
    if (model !== of) return
    changes.value = changes.value.map((one) => (one === change ? { ...one, before: data } : one))
  } catch {
    // It was compacted away, say: the change is shown without what it was before.
  } finally {
    looking -= 1
  }
}
