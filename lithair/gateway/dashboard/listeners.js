// Event listeners and webhooks: how far behind each is, what it fails at, and what it gave up.
import { html, useEffect, useState } from './preact.js'
import { ADMIN, Problem, get, post } from './api.js'
import { tick } from './figures.js'
import { number, plural, time } from './format.js'
import { Act, Empty, Head, Notice, State, Table } from './parts.js'
import { link } from './route.js'

const EVERY = 2 // readings of the figures

export function Listeners() {
  const [list, setList] = useState(null)
  const [problem, setProblem] = useState(null)
  const [opened, setOpened] = useState('')
  const reading = Math.floor(tick.value / EVERY)
  const load = () =>
    get(`${ADMIN}/listeners`)
      .then(({ data }) => {
        setList(data.listeners)
        setProblem(null)
      })
      .catch(setProblem)
  useEffect(() => {
    load()
  }, [reading])
  const open = list?.find((one) => keyOf(one) === opened)
  return html`
    <div class="top"><h1>Listeners</h1><p class="facts">${list && plural(list.length, 'listener')}</p></div>
    ${problem && html`<${Notice}>${problem.message}<//>`}
    ${list && !list.length && html`<${None} />`}
    ${list?.length > 0 && html`<${Rows} list=${list} opened=${opened} setOpened=${setOpened} load=${load} />`}
    ${open && html`<${Letters} key=${opened} one=${open} />`}
  `
}

const keyOf = (one) => `${one.model}/${one.name}`
const path = (one, tail) =>
  `${ADMIN}/listeners/${encodeURIComponent(one.model)}/${encodeURIComponent(one.name)}/${tail}`

function None() {
  return html`<${Empty} title="This application has no listeners.">
    <p>Be told of every event, at least once and in
      order: <code>with_event_listener(Email, Indexer(), name="indexer")</code>, or <code>with_webhook(Email, "https://…", secret=…)</code>.</p>
  <//>`
}

function Rows({ list, opened, setOpened, load }) {
  const head = html`<${Head}>Listener<//><${Head}>Model<//><${Head}>State<//><${Head} kind="n">Handled up to<//>
    <${Head} kind="n">Behind<//><${Head} kind="n">Dead letters<//><${Head}>Fails at<//><${Head}>
    <span class="unseen">Actions</span><//>`
  const ask = (one, what, body) => async () => {
    await post(path(one, what), body)
    setTimeout(load, 1000)
    return 'Asked for.'
  }
  return html`<${Table} caption="Listeners" head=${head}>
    ${list.map((one) => {
      const key = keyOf(one)
      const isOpen = opened === key
      return html`<tr key=${key} data-listener=${one.name}>
        <th scope="row">${one.name}</th>
        <td><a href=${link(['models', one.model])}>${one.model}</a></td>
        <td><${State} is=${one.state} title=${one.detail} />
          ${one.asked.map((what) => html`<small>${what} asked for</small>`)}</td>
        <td class="n">${number(one.seq)}</td>
        <td class="n">${number(one.behind)}</td>
        <td class="n">${one.dead_letters ? html`<button type="button" class="quiet"
          aria-expanded=${isOpen ? 'true' : 'false'}
          aria-label=${`Dead letters of ${one.name}: ${one.dead_letters}`}
          onClick=${() => setOpened(isOpen ? '' : key)}>${number(one.dead_letters)}</button>` : '0'}</td>
        <td class="why"><${Failing} one=${one} /></td>
        <td class="end">
          ${one.failing && html`<${Act} label="Skip" kind="quiet"
            name=${`Skip event ${one.failing.seq} of ${one.name}`} act=${ask(one, 'skip')}
            ask=${{ title: `Give up event ${one.failing.seq}?`, text: 'It goes to the dead letters, from where it can be replayed.' }} />`}
          ${one.failing && html`<${Act} label=${one.failing.disabled ? 'Enable' : 'Try now'} kind="quiet"
            name=${`Try ${one.name} now`} act=${ask(one, 'enable')} />`}
          ${one.dead_letters > 0 && html`<${Act} label="Replay all" kind="quiet"
            name=${`Replay all dead letters of ${one.name}`} act=${ask(one, 'replay')} />`}
        </td>
      </tr>`
    })}
  <//>`
}

function Failing({ one }) {
  if (!one.failing) return one.detail ? html`<small>${one.detail}</small>` : ''
  const { seq, tries, error, since, disabled } = one.failing
  return html`event ${seq}, ${plural(tries, 'try', 'tries')} since ${time(since)}${disabled ? ', disabled' : ''}
    <small class="fault">${error}</small>`
}

function Letters({ one }) {
  const [list, setList] = useState(null)
  const [problem, setProblem] = useState(null)
  useEffect(() => {
    get(path(one, 'dead-letters'))
      .then(({ data }) => setList(data))
      .catch((error) => {
        if (!(error instanceof Problem)) throw error
        setProblem(error)
      })
  }, [one.dead_letters])
  const replay = (seq) => async () => {
    await post(path(one, 'replay'), { seqs: [seq] })
    return 'Asked for.'
  }
  const head = html`<${Head} kind="n">Event<//><${Head}>Operation<//><${Head}>Item<//><${Head}>Given up<//>
    <${Head} kind="n">Tries<//><${Head}>Why<//><${Head}><span class="unseen">Actions</span><//>`
  return html`<section aria-labelledby="letters-title">
    <h2 id="letters-title">Dead letters of ${one.name}</h2>
    ${problem && html`<${Notice}>${problem.message}<//>`}
    ${
      list &&
      html`<${Table} caption=${`Dead letters of ${one.name}`} head=${head}>
      ${list.dead_letters.map(
        (letter) => html`<tr key=${letter.seq}>
        <td class="n">${letter.seq}</td><td>${letter.operation}</td>
        <td><a class="id" href=${link(['models', one.model, 'items', letter.id])}>${letter.id}</a></td>
        <td>${time(letter.given_up_at)}</td><td class="n">${letter.tries}</td>
        <td class="why"><small class="fault">${letter.error}</small></td>
        <td class="end"><${Act} label="Replay" kind="quiet" name=${`Replay event ${letter.seq}`}
          act=${replay(letter.seq)} /></td>
      </tr>`,
      )}
    <//>`
    }
    ${list && list.total > list.dead_letters.length &&
      html`<p class="muted">The first ${list.dead_letters.length} of ${number(list.total)}.</p>`}
  </section>`
}
