// Small pieces that every view is made of.
import { html, useEffect, useRef, useState } from './preact.js'
import { Problem } from './api.js'
import { brief } from './format.js'

const SHOWN_MS = 6000

// Read out by screen readers, once.
export function say(text) {
  const place = document.getElementById('said')
  if (place) place.textContent = text
}

const TONES = {
  serving: 'ok',
  running: 'ok',
  live: 'ok',
  failed: 'bad',
  failing: 'bad',
  damaged: 'bad',
  disabled: 'bad',
  down: 'bad',
}

// A state in a word; its colour only repeats what the word says.
export function State({ is, title }) {
  const tone = TONES[is] ?? 'wait'
  return html`<span class=${`state ${tone}`} title=${title || null}><i aria-hidden="true"></i>${is}</span>`
}

export function Notice({ tone = 'bad', children }) {
  return html`<div class=${`notice ${tone}`} role=${tone === 'bad' ? 'alert' : 'status'}>${children}</div>`
}

export function Empty({ title, children }) {
  return html`<div class="empty"><p class="title">${title}</p>${children}</div>`
}

// A button that does something on the server, and says beside itself what became of it.
// `act` gives what to say, or nothing; `ask` is the question before something that can't be undone.
export function Act({ label, act, ask, kind = '', busy = `${label}…`, disabled, name }) {
  const [state, setState] = useState({})
  const [asks, setAsks] = useState(false)
  const timer = useRef(0)
  useEffect(() => () => clearTimeout(timer.current), [])
  const run = async () => {
    setAsks(false)
    clearTimeout(timer.current)
    setState({ runs: true })
    try {
      const said = await act()
      setState({ said })
      if (said) say(said)
      timer.current = setTimeout(() => setState({}), SHOWN_MS)
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      setState({ problem })
    }
  }
  return html`<span class="act">
    <button
      type="button"
      class=${kind}
      disabled=${disabled || state.runs}
      aria-label=${name ?? null}
      onClick=${() => (ask ? setAsks(true) : run())}
    >
      ${state.runs ? busy : label}
    </button>
    ${state.said && html`<span class="said">${state.said}</span>`}
    ${state.problem && html`<span class="fault" role="alert">${state.problem.message}</span>`}
    ${
      asks &&
      html`<${Dialog} title=${ask.title} onClose=${() => setAsks(false)}>
      <p>${ask.text}</p>
      <div class="buttons">
        <button type="button" class=${kind} onClick=${run}>${ask.yes ?? label}</button>
        <button type="button" class="quiet" onClick=${() => setAsks(false)}>Cancel</button>
      </div>
    <//>`
    }
  </span>`
}

export function Dialog({ title, onClose, children }) {
  const place = useRef(null)
  useEffect(() => {
    const dialog = place.current
    dialog.showModal()
    return () => dialog.close()
  }, [])
  return html`<dialog ref=${place} aria-labelledby="dialog-title" onCancel=${onClose} onClose=${onClose}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`
}

// A table that scrolls by itself, also by keyboard.
export function Table({ caption, head, children, kind = '', busy = false }) {
  return html`<div class=${`scroll ${kind}`} role="region" aria-label=${caption} tabindex="0"
    aria-busy=${busy ? 'true' : 'false'}>
    <table>
      <caption class="unseen">${caption}</caption>
      <thead><tr>${head}</tr></thead>
      <tbody>${children}</tbody>
    </table>
  </div>`
}

export const Head = ({ children, kind = '' }) => html`<th scope="col" class=${kind}>${children}</th>`

// A value of an item in a table.
export function Cell({ value }) {
  if (value == null) return html`<td class="muted">${value === null ? 'null' : ''}</td>`
  if (typeof value === 'number') return html`<td class="n">${String(value)}</td>`
  if (typeof value === 'object')
    return html`<td><code title=${JSON.stringify(value)}>${brief(value, 48)}</code></td>`
  return html`<td title=${String(value).length > 40 ? String(value) : null}>${brief(String(value), 64)}</td>`
}

// A share of a bound, as a bar; its words stand beside it.
export function Bar({ part, whole, label }) {
  const share = whole > 0 ? Math.min(1, part / whole) : 0
  const tone = share > 0.95 ? 'high' : ''
  return html`<svg class=${`bar ${tone}`} viewBox="0 0 100 4" preserveAspectRatio="none" role="img"
    aria-label=${label}>
    <rect class="whole" width="100" height="4" />
    <rect class="part" width=${share * 100} height="4" />
  </svg>`
}

// What an answer is waited for, shown only when that takes a while (CSS delays it).
export const Waiting = ({ what }) => html`<p class="waiting" role="status">${what}…</p>`
