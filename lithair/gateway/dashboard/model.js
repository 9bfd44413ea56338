// One model: its head, and the view of it that the address asks for.
import { html, useEffect, useState } from './preact.js'
import { ADMIN, Problem, get, isAbort } from './api.js'
import { Browse } from './browse.js'
import { Changes } from './changes.js'
import { close, follow } from './feed.js'
import { byName } from './figures.js'
import { ModelFigures } from './model_figures.js'
import { Create, ItemPage } from './item.js'
import { Empty, Notice, State, Waiting } from './parts.js'
import { link, route } from './route.js'
import { state } from './overview.js'

// #/models/NAME, …/changes, …/figures, …/new, …/items/ID
export function ModelPage() {
  const [, name, part = '', id] = route.value.segments
  const row = byName.value.get(name)
  const [details, problem] = useDetails(name, row?.pid)
  useEffect(() => {
    if (row && details) follow(row, details.key)
  }, [row?.name, details])
  useEffect(() => close, [name])
  if (!row) {
    return html`<h1>${name}</h1>
      <${Empty} title=${`There is no model ${name}.`}><p>The models are listed in the <a href="#/">overview</a>.</p>
        <//>`
  }
  return html`
    <div class="top">
      <h1>${name}</h1>
      <${State} is=${state(row)} title=${row.detail} />
      <p class="facts"><code>${row.path}</code>
        ${row.rule === 'gated' ? html`<span> · asks for a session</span>` : ''}</p>
    </div>
    ${row.detail && html`<${Notice}>${row.detail}<//>`}
    <${Tabs} name=${name} part=${part} />
    ${problem && html`<${Notice}>${problem.message}<//>`}
    ${details ? html`<${Part} row=${row} details=${details} part=${part} id=${id} />` : !problem &&
      html`<${Waiting} what="Asking for its fields" />`}
  `
}

function Part({ row, details, part, id }) {
  if (part === 'changes') return html`<${Changes} row=${row} details=${details} />`
  if (part === 'figures') return html`<${ModelFigures} row=${row} details=${details} />`
  if (part === 'new') return html`<${Create} row=${row} details=${details} />`
  if (part === 'items' && id) return html`<${ItemPage} key=${id} row=${row} details=${details} id=${id} />`
  return html`<${Browse} row=${row} details=${details} />`
}

function Tabs({ name, part }) {
  const tab = (is, to, text) =>
    html`<a href=${link(['models', name, ...to])} aria-current=${is.includes(part) ? 'page' : null}>${text}</a>`
  return html`<nav class="tabs" aria-label=${`Of ${name}`}>
    ${tab(['', 'items', 'new'], [], 'Items')} ${tab(['changes'], ['changes'], 'Changes')}
    ${tab(['figures'], ['figures'], 'Figures')}
  </nav>`
}

// Its fields, as the server declares them; asked for anew when the process is another.
function useDetails(name, pid) {
  const [details, setDetails] = useState(null)
  const [problem, setProblem] = useState(null)
  useEffect(() => {
    const stop = new AbortController()
    get(`${ADMIN}/models/${encodeURIComponent(name)}`, { signal: stop.signal })
      .then(({ data }) => {
        setDetails(data)
        setProblem(null)
      })
      .catch((error) => {
        if (isAbort(error)) return
        if (!(error instanceof Problem)) throw error
        if (error.status !== 404) setProblem(error)
      })
    return () => stop.abort()
  }, [name, pid])
  return [details?.name === name ? details : null, problem]
}
