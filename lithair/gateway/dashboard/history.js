// What happened to an item, newest first, each event with what it changed.
import { html, useEffect, useState } from './preact.js'
import { ADMIN, Problem, get, isAbort } from './api.js'
import { brief, number, time } from './format.js'
import { Empty, Notice } from './parts.js'
import { encoded } from './query.js'
import { link } from './route.js'
import { differences } from './values.js'

const SHOWN_FIRST = 100

export function History({ row, fields, id, at, version, isGone }) {
  const [events, setEvents] = useState(null)
  const [problem, setProblem] = useState(null)
  const [isAll, setAll] = useState(false)
  useEffect(() => {
    const stop = new AbortController()
    get(`${ADMIN}/models/${row.name}/${encodeURIComponent(id)}/history`, { signal: stop.signal })
      .then(({ data }) => {
        setEvents(data)
        setProblem(null)
      })
      .catch((error) => {
        if (isAbort(error)) return
        if (!(error instanceof Problem)) throw error
        setEvents([])
        if (error.status !== 404) setProblem(error)
      })
    return () => stop.abort()
  }, [id, version, isGone])
  const before = new Map(events?.map((event, index) => [event.seq, events[index - 1]]))
  const entry = (event) =>
    html`<${Event} key=${event.seq} row=${row} fields=${fields} id=${id} event=${event}
      before=${before.get(event.seq)} at=${at} />`
  return html`<section class="history" aria-labelledby="history-title">
    <h2 id="history-title">History</h2>
    ${problem && html`<${Notice}>${problem.message}<//>`}
    ${events && !events.length && !problem && html`<${Empty} title="Nothing is known of it.">
      <p>Compaction has dropped its events; keep them with <code>keep_history</code>.</p><//>`}
    <ol>${events?.slice(isAll ? 0 : -SHOWN_FIRST).map(entry).reverse()}</ol>
    ${
      !isAll &&
      events?.length > SHOWN_FIRST &&
      html`<p>
        <button type="button" class="quiet" onClick=${() => setAll(true)}>All ${number(events.length)} events</button>
      </p>`
    }
  </section>`
}

function Event({ row, fields, id, event, before, at }) {
  const changes = before && event.operation === 'update' ? differences(before.item, event.item, fields) : []
  const isShown = at === String(event.seq)
  const to = link(['models', row.name, 'items', id], encoded([['as_of', event.seq]]))
  return html`<li aria-current=${isShown ? 'true' : null}>
    <p class="line">
      <b class=${`operation ${event.operation}`}>${event.operation}</b>
      <a href=${to} aria-label=${`Show it as it was after event ${event.seq}`}>event ${event.seq}</a>
      <time datetime=${event.timestamp}>${time(event.timestamp)}</time>
    </p>
    ${event.by && html`<p class="by">by ${event.by}</p>`}
    ${changes.length > 0 && html`<${Differences} changes=${changes} />`}
    ${event.operation === 'update' && before && !changes.length &&
      html`<p class="muted">The same values.</p>`}
  </li>`
}

export function Differences({ changes }) {
  return html`<dl class="differences">
    ${changes.map(
      (one) => html`<div key=${one.name}>
        <dt>${one.name}</dt>
        <dd><del><span class="unseen">from </span>${shown(one.old)}</del> <ins><span class="unseen">to </span>
          ${shown(one.new)}</ins></dd>
      </div>`,
    )}
  </dl>`
}

const shown = (value) => (value === undefined ? 'nothing' : value === '' ? '""' : brief(value, 160))
