// Who is logged in to the application, and the end of that.
import { html, useEffect, useState } from './preact.js'
import { ADMIN, Problem, call, get, isAbort } from './api.js'
import { server } from './figures.js'
import { ago, number, plural, time } from './format.js'
import { Act, Empty, Head, Notice, Table } from './parts.js'
import { encoded } from './query.js'

const TAKE = 100

export function Sessions() {
  const [user, setUser] = useState('')
  const [list, setList] = useState(null)
  const [problem, setProblem] = useState(null)
  const [again, setAgain] = useState(0)
  const reload = () => setAgain((count) => count + 1)
  const load = (after, signal) =>
    get(
      `${ADMIN}/sessions?${encoded([['take', TAKE], ...(user ? [['user_id', user]] : []), ...(after ? [['after', after]] : [])])}`,
      { signal },
    )
  useEffect(() => {
    const stop = new AbortController()
    load('', stop.signal)
      .then(({ data }) => {
        setList(data)
        setProblem(null)
      })
      .catch((error) => !isAbort(error) && setProblem(error))
    return () => stop.abort()
  }, [user, again])
  const more = async () => {
    const { data } = await load(list.sessions.at(-1).id)
    setList({ ...data, sessions: [...list.sessions, ...data.sessions] })
  }
  if (problem?.status === 404 || server.value?.has_sessions === false)
    return html`<h1>Sessions</h1><${None} />`
  const search = (event) => {
    event.preventDefault()
    setUser(event.target.elements.user.value.trim())
  }
  return html`
    <div class="top"><h1>Sessions</h1><p class="facts">${list && plural(list.total, 'live session')}</p>
      <button type="button" onClick=${reload}>Reload</button></div>
    <form class="filters" onSubmit=${search}>
      <label for="user">Of the user</label>
      <input id="user" name="user" placeholder="everybody" autocomplete="off" />
      <button>Show</button>
      ${user && html`<${Act} label=${`End all of ${user}`} kind="danger" act=${() => endAll(user, reload)}
        ask=${{ title: `End all sessions of ${user}?`, text: 'Every browser and program of that user has to log in again.' }} />`}
    </form>
    ${problem && html`<${Notice}>${problem.message}<//>`}
    ${list && !list.sessions.length && html`<${Empty}
      title=${user ? `${user} has no live session.` : 'Nobody is logged in.'}>
      <p>Sessions appear here when users log in.</p><//>`}
    ${list?.sessions.length > 0 && html`<${Rows} list=${list} reload=${reload} />`}
    ${list?.has_more && html`<p><${Act} label="More"
      act=${more} /> ${number(list.sessions.length)} of ${number(list.total)}</p>`}
  `
}

async function endAll(user, reload) {
  const { data } = await call('DELETE', `${ADMIN}/sessions?${encoded([['user_id', user]])}`)
  reload()
  return `Ended ${plural(data.ended, 'session')}.`
}

function Rows({ list, reload }) {
  const end = async (one) => {
    await call('DELETE', `${ADMIN}/sessions/${one.id}`).catch((problem) => {
      if (!(problem instanceof Problem) || problem.status !== 404) throw problem
    })
    reload()
  }
  const head = html`<${Head}>User<//><${Head}>Role<//><${Head}>Since<//><${Head}>Last seen<//><${Head}>Expires<//>
    <${Head}><span class="unseen">Actions</span><//>`
  return html`<${Table} caption="Sessions" head=${head}>
    ${list.sessions.map(
      (one) => html`<tr key=${one.id}>
        <th scope="row">${one.user_id || html`<span class="muted">nobody</span>`}${one.is_own &&
          html` <small>this browser</small>`}</th>
        <td>${one.role || html`<span class="muted">none</span>`}</td>
        <td>${time(one.created_at)}</td>
        <td>${ago(one.seen_at)}</td>
        <td>${time(one.expires_at)}</td>
        <td class="end"><${Act} label="End" kind="quiet"
          name=${`End the session of ${one.user_id} since ${time(one.created_at)}`} act=${() => end(one)}
          ask=${one.is_own ? { title: 'End your own session?', text: 'You will have to log in again.' } : undefined} /></td>
      </tr>`,
    )}
  <//>`
}

function None() {
  return html`<${Empty} title="This application has no sessions.">
    <p>Add them with <code>Lithair().with_sessions(SessionManager(PersistentSessionStore("./data/sessions")))</code>, or with users: <code>with_users("./data/users")</code>.</p>
  <//>`
}
