// The change feed of a model, as its stream tells it; newest first, and to be held still.
import { html, useState } from './preact.js'
import { changes, state } from './feed.js'
import { brief, clock, short } from './format.js'
import { Differences } from './history.js'
import { Empty, Notice, State } from './parts.js'
import { link } from './route.js'
import { differences } from './values.js'

const SAID = { connecting: 'connecting', live: 'live', waiting: 'reconnecting', closed: 'closed' }

export function Changes({ row, details }) {
  const [held, setHeld] = useState(null)
  if (state.value === 'off') {
    return html`<${Empty} title="This application has no streams.">
      <p>They are switched off by <code>with_sse(False)</code>.</p><//>`
  }
  const shown = held ?? changes.value
  const missed = held ? changes.value.findIndex((one) => one.seq === held[0]?.seq) : 0
  return html`
    <div class="bar-top">
      <${State} is=${SAID[state.value]} />
      <code class="muted">GET ${row.path}/stream</code>
      <span class="space"></span>
      <button type="button" aria-pressed=${held ? 'true' : 'false'}
        onClick=${() => setHeld(held ? null : changes.value)}>
        ${held ? `Go on${missed > 0 ? ` (${missed} new)` : ''}` : 'Hold'}
      </button>
    </div>
    ${state.value === 'waiting' && html`<${Notice} tone="warn">The stream is interrupted. Nothing is missed: it goes
      on where it was.<//>`}
    ${
      shown.length
        ? html`<div class="feed" role="region" aria-label=${`Changes of ${row.name}`} tabindex="0">
          <ol>
            ${shown.map((one) => html`<${Change} key=${one.seq} row=${row} details=${details} change=${one} />`)}
          </ol>
        </div>`
        : html`<${Empty} title="Nothing has changed yet.">
          <p>Every create, update and delete is listed here as it happens, whoever makes it.</p><//>`
    }
  `
}

function Change({ row, details, change }) {
  const { kind, seq, id, at } = change
  return html`<li class=${at ? 'fresh' : ''}>
    <span class="seq">${seq}</span>
    <span class="at">${at ? clock(at) : 'earlier'}</span>
    <b class=${`operation ${kind}`}>${kind}</b>
    <a class="id" title=${id} href=${link(['models', row.name, 'items', id])}>${short(id)}</a>
    <span class="what"><${What} details=${details} change=${change} /></span>
  </li>`
}

function What({ details, change: { kind, item, before } }) {
  if (kind === 'update' && before) return html`<${Differences}
    changes=${differences(before, item, details.fields)} />`
  const names = details.fields.filter(
    (one) => one.name !== details.key && item[one.name] != null && item[one.name] !== '',
  )
  return names
    .slice(0, 3)
    .map((one) => html`<span class="pair"><i>${one.name}</i> ${brief(item[one.name], 48)} </span>`)
}
