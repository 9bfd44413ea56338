// Everything at a glance: what is done now, the models, the processes, and a backup.
import { html, useState } from './preact.js'
import { ADMIN, Problem, post } from './api.js'
import { Chart } from './chart.js'
import { models, p99, refresh, server } from './figures.js'
import { ago, bytes, number, plural, rate, seconds, span, time } from './format.js'
import { Act, Bar, Dialog, Empty, Head, State, Table, say } from './parts.js'
import { link } from './route.js'

export function Overview() {
  const rows = models.value
  return html`
    <div class="top">
      <h1>Overview</h1>
      <p class="facts">${server.value && `Up ${span((new Date(server.value.at) - new Date(server.value.started)) / 1000)}`}</p>
      <${Backup} />
    </div>
    <${Charts} />
    <section aria-labelledby="models-title">
      <h2 id="models-title">Models</h2>
      ${rows.length ? html`<${Models} rows=${rows} />` : html`<${NoModels} />`}
    </section>
    <section aria-labelledby="processes-title">
      <h2 id="processes-title">Processes</h2>
      <${Processes} />
    </section>
  `
}

export function Charts({ model }) {
  const whose = model ? `Of ${model}` : 'All models together'
  return html`<div class="charts">
    <${Chart} title="Reads per second" kind="reads" least=${10} model=${model} write=${rate} what=${whose} />
    <${Chart} title="Writes per second" kind="writes" least=${10} model=${model} write=${rate} what=${whose} />
    <${Chart} title="Stream readers" kind="readers" least=${4} model=${model} write=${rate} what=${whose} />
    <${Chart} title="Commit, p99" kind="p99" least=${0.01} model=${model} write=${seconds} what=${whose} />
  </div>`
}

function NoModels() {
  return html`<${Empty} title="This application has no models.">
    <p>Add one: <code>Lithair().with_model(Email, "./data/emails", "/api/emails")</code>, and start it again.</p>
  <//>`
}

function Models({ rows }) {
  const head = html`
    <${Head}>Model<//><${Head}>State<//>
    <${Head} kind="n">Items<//><${Head} kind="n">Hot<//><${Head} kind="n">Warm<//>
    <${Head} kind="n">RAM<//><${Head} kind="n">Log<//><${Head}>Compacted<//>
    <${Head} kind="n">Commit p99<//><${Head} kind="n">Readers<//><${Head} kind="n">Restarts<//>
    <${Head}><span class="unseen">Actions</span><//>
  `
  return html`<${Table} caption="Models" head=${head}>
    ${rows.map((row) => html`<${Model} key=${row.name} row=${row} />`)}
  <//>`
}

function Model({ row }) {
  const stats = row.stats
  return html`<tr data-model=${row.name}>
    <th scope="row"><a href=${link(['models', row.name])}>${row.name}</a><small>${row.path}</small></th>
    <td><${State} is=${state(row)} title=${row.detail} />
      ${row.detail && html`<small class="fault">${row.detail}</small>`}</td>
    <td class="n">${number(stats?.item_count)}</td>
    <td class="n">${number(stats?.hot_count)}</td>
    <td class="n">${number(stats?.warm_count)}</td>
    <td class="n"><${Ram} row=${row} /></td>
    <td class="n">${bytes(stats?.raftlog_size_bytes)}<small>
      ${stats ? plural(stats.events_since_last_compaction, 'event') : ''}</small></td>
    <td>${stats && (stats.compaction_running ? 'running' : ago(stats.last_compaction_at))}</td>
    <td class="n">${seconds(p99(row))}</td>
    <td class="n">${number(row.streams?.readers)}</td>
    <td class=${`n restarts ${row.restarts ? 'some' : ''}`}>${number(row.restarts)}</td>
    <td class="end"><${Compact} row=${row} /></td>
  </tr>`
}

// Serving, and its process answers.
export const state = (row) => (row.phase === 'serving' && !row.stats ? 'silent' : row.phase)

export function Ram({ row }) {
  const used = row.stats?.approx_ram_bytes
  const bound = row.retention.max_bytes.value
  if (used == null) return '–'
  if (bound == null) return html`${bytes(used)}<small>no limit</small>`
  return html`${bytes(used)}
    <${Bar} part=${used} whole=${bound} label=${`${bytes(used)} of ${bytes(bound)}`} />
    <small>of ${bytes(bound)}</small>`
}

export function Compact({ row, kind = 'quiet' }) {
  const act = async () => {
    const { status, data } = await post(`${ADMIN}/models/${row.name}/compact`)
    await refresh()
    return status === 202 ? data.detail : 'Compacted.'
  }
  const busy = row.stats?.compaction_running
  return html`<${Act} label=${busy ? 'Compacting…' : 'Compact'} busy="Compacting…" act=${act} kind=${kind}
    disabled=${busy || !row.stats} name=${`Compact ${row.name}`} />`
}

function Processes() {
  const told = server.value
  if (!told) return null
  const head = html`
    <${Head}>Process<//><${Head}>Kind<//><${Head}>State<//><${Head} kind="n">PID<//>
    <${Head} kind="n">CPU time<//><${Head} kind="n">Memory<//><${Head} kind="n">Restarts<//>
      <${Head} kind="n">Since<//>
  `
  return html`<${Table} caption="Processes" head=${head}>
    ${told.processes.map(
      (one) => html`<tr key=${`${one.kind}/${one.name}`} data-process=${one.name}>
        <th scope="row">${one.name}</th>
        <td>${one.kind}</td>
        <td><${State} is=${one.phase} title=${one.detail} />${one.detail && html`<small>${one.detail}</small>`}</td>
        <td class="n">${one.pid ?? '–'}</td>
        <td class="n">${one.cpu_seconds == null ? '–' : seconds(one.cpu_seconds)}</td>
        <td class="n">${bytes(one.rss_bytes)}</td>
        <td class=${`n restarts ${one.restarts ? 'some' : ''}`}>${number(one.restarts)}</td>
        <td class="n">${span(one.since_s)}</td>
      </tr>`,
    )}
  <//>`
}

function Backup() {
  const [isOpen, setOpen] = useState(false)
  return html`<button type="button" onClick=${() => setOpen(true)}>Back up…</button>
    ${isOpen && html`<${BackupDialog} onClose=${() => setOpen(false)} />`}`
}

function BackupDialog({ onClose }) {
  const [state, setState] = useState({})
  const send = async (event) => {
    event.preventDefault()
    const directory = event.target.elements.directory.value.trim()
    setState({ runs: true })
    try {
      const { status, data } = await post(`${ADMIN}/backup`, directory ? { directory } : undefined)
      const done = status === 202 ? data.detail : `Backed up to ${data.directory}, ${time(new Date())}.`
      setState({ done })
      say(done)
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      setState({ problem })
    }
  }
  return html`<${Dialog} title="Back up all models" onClose=${onClose}>
    <form onSubmit=${send}>
      <p>A copy of every model’s log, made while the server goes on. Sessions are not in it.</p>
      <label for="directory">Directory on the server</label>
      <input id="directory" name="directory" placeholder="the default: backups/ and the time" autocomplete="off"
        aria-invalid=${state.problem ? 'true' : null} />
      ${state.problem && html`<p class="fault" role="alert">${state.problem.message}</p>`}
      ${state.done && html`<p class="said" role="status">${state.done}</p>`}
      <div class="buttons">
        <button class="primary" disabled=${state.runs}>${state.runs ? 'Backing up…' : 'Back up'}</button>
        <button type="button" class="quiet" onClick=${onClose}>Close</button>
      </div>
    </form>
  <//>`
}
