// One item: to be looked at, changed, deleted, or seen as it was; and the form of a new one.
import { html, useEffect, useRef, useState } from './preact.js'
import { Problem, call, get, isAbort, itemPath, post } from './api.js'
import { hear } from './feed.js'
import { Fields, read } from './form.js'
import { History } from './history.js'
import { Act, Empty, Notice, Waiting, say } from './parts.js'
import { parse } from './query.js'
import { go, link, route } from './route.js'
import { differences, mergePatch } from './values.js'

const seqOf = (etag) => Number((etag ?? '').replaceAll('"', ''))

export function ItemPage({ row, details, id }) {
  const at = parse(route.value.query).as_of
  const [seen, setSeen] = useState(null) // { item, etag }
  const [problem, setProblem] = useState(null)
  const [theirs, setTheirs] = useState(null) // a newer { item, etag } that is not in the form
  const [again, setAgain] = useState(0)
  const isTouched = useRef(false)
  useEffect(() => {
    const stop = new AbortController()
    load(row, id, at, stop.signal)
      .then((found) => {
        setSeen(found)
        setTheirs(null)
        setProblem(null)
      })
      .catch((error) => !isAbort(error) && setProblem(error))
    return () => stop.abort()
  }, [id, at, again])
  useEffect(() => {
    if (at !== '' || !seen) return undefined
    return hear((change) => {
      if (change.id !== id || change.seq <= seqOf(seen.etag)) return
      if (change.kind === 'delete') setProblem(new Problem(404))
      else if (isTouched.current) setTheirs({ item: change.item, etag: `"${change.seq}"` })
      else setSeen({ item: change.item, etag: `"${change.seq}"` })
    })
  }, [id, at, seen])
  const reload = () => setAgain(again + 1)
  return html`
    <div class="bar-top">
      <a href=${link(['models', row.name])}>All ${row.name}</a>
      <h2 class="id">${id}</h2>
      ${seen && html`<span class="muted">event ${seqOf(seen.etag)}</span>`}
    </div>
    ${at !== '' && html`<${Past} row=${row} id=${id} at=${at} />`}
    <div class="item">
      <section aria-label="Item">
        ${problem && html`<${Gone} problem=${problem} at=${at} />`}
        ${!problem && !seen && html`<${Waiting} what="Asking for it" />`}
        ${
          !problem &&
          seen &&
          html`<${Editor} key=${at} row=${row} details=${details} id=${id} seen=${seen} theirs=${theirs}
            setSeen=${setSeen}
            setTheirs=${setTheirs} isPast=${at !== ''} isTouched=${isTouched} reload=${reload} />`
        }
      </section>
      <${History} row=${row} fields=${details.fields} id=${id} at=${at}
        version=${seen && at === '' ? seen.etag : ''}
        isGone=${Boolean(problem)} />
    </div>
  `
}

async function load(row, id, at, signal) {
  const query = at === '' ? '' : `?as_of=${encodeURIComponent(at)}`
  const { data, etag } = await get(itemPath(row, id) + query, { signal })
  return { item: data, etag }
}

function Past({ row, id, at }) {
  return html`<${Notice} tone="past">
    As it was ${/^\d+$/.test(at) ? `after event ${at}` : `at ${at}`}.
    <a href=${link(['models', row.name, 'items', id])}>Back to now</a>
  <//>`
}

function Gone({ problem, at }) {
  if (problem.status !== 404) return html`<${Notice}>${problem.message}<//>`
  return at === ''
    ? html`<${Empty} title="This item is not there.">
      <p>It was deleted, or never was. What the log still holds of it stands in its history.</p><//>`
    : html`<${Empty} title="It was not there then."><p>Choose another version in its history.</p><//>`
}

function Editor({ row, details, id, seen, theirs, setSeen, setTheirs, isPast, isTouched, reload }) {
  const [draft, setDraft] = useState({})
  const [state, setState] = useState({})
  const { changed, faults } = read(details, seen.item, draft)
  const count = Object.keys(changed).length
  isTouched.current = Object.keys(draft).length > 0
  const touch = (next) => {
    setDraft(next)
    setState({})
  }
  const save = async (event) => {
    event.preventDefault()
    if (Object.keys(faults).length) return
    setState({ runs: true })
    const patch = mergePatch(pick(seen.item, changed), changed)
    try {
      const { data, etag } = await call('PATCH', itemPath(row, id), { body: patch, etag: seen.etag })
      setSeen({ item: data, etag })
      setTheirs(null)
      setDraft({})
      setState({ said: `Saved as event ${seqOf(etag)}.` })
      say(`Saved as event ${seqOf(etag)}.`)
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      setState({ problem })
      if (problem.status === 412) setTheirs(await load(row, id, '').catch(() => null))
    }
  }
  // What was changed here is kept, and goes on top of what the others did.
  const rebase = () => {
    setSeen(theirs)
    setTheirs(null)
    setState({})
  }
  const discard = () => {
    touch({})
    if (theirs) rebase()
  }
  const remove = async () => {
    await call('DELETE', itemPath(row, id), { etag: seen.etag }).catch((problem) => {
      if (problem.status === 412) reload()
      throw problem
    })
    say(`Deleted ${id}.`)
    go(['models', row.name])
  }
  const serverFaults = state.problem?.fields ?? {}
  return html`<form class="editor" onSubmit=${save}>
    ${theirs && html`<${Overtaken} fields=${details.fields} theirs=${theirs} seen=${seen}
      isRefused=${state.problem?.status === 412}
      rebase=${rebase} discard=${discard} />`}
    ${state.problem && !(theirs && state.problem.status === 412) &&
      html`<${Refused} problem=${state.problem} details=${details} />`}
    <${Fields} details=${details} item=${seen.item} draft=${draft} setDraft=${touch}
      faults=${{ ...serverFaults, ...faults }} theirs=${theirs?.item} isFixed=${isPast} />
    ${
      !isPast &&
      html`<div class="buttons">
      <button class="primary" disabled=${!count || state.runs || Object.keys(faults).length > 0}>
        ${state.runs ? 'Saving…' : 'Save'}</button>
      <button type="button" class="quiet" disabled=${!Object.keys(draft).length} onClick=${discard}>Discard</button>
      <span class="said">${state.said ?? (count ? `${count} changed` : '')}</span>
      <span class="space"></span>
      <${Act} label="Delete" kind="danger" act=${remove}
        ask=${{ title: `Delete ${id}?`, text: 'It can still be seen in its history, until a compaction drops it.' }} />
    </div>`
    }
  </form>`
}

const pick = (item, like) =>
  Object.fromEntries(
    Object.keys(like)
      .filter((one) => one in item)
      .map((one) => [one, item[one]]),
  )

function Overtaken({ fields, theirs, seen, isRefused, rebase, discard }) {
  const names = differences(seen.item, theirs.item, fields).map((one) => one.name)
  return html`<${Notice} tone="warn">
    <p>${isRefused ? 'Not saved: somebody' : 'Somebody'} else has changed this item since you opened
      it (event ${seqOf(theirs.etag)}): <b>${names.join(', ') || 'nothing that is shown'}</b>.</p>
    <div class="buttons">
      <button type="button" onClick=${rebase}>Keep my changes, on top of theirs</button>
      <button type="button" class="quiet" onClick=${discard}>Discard mine</button>
    </div>
  <//>`
}

// What the fields do not show by themselves.
function Refused({ problem, details }) {
  const known = details.fields.map((one) => one.name)
  const others = Object.entries(problem.fields).filter(([name]) => !known.includes(name))
  return html`<${Notice}>
    ${problem.message}
    ${others.map(([name, message]) => html`<p><b>${name}</b> ${message}</p>`)}
  <//>`
}

export function Create({ row, details }) {
  const [draft, setDraft] = useState({})
  const [state, setState] = useState({})
  const { changed, faults } = read(details, null, draft)
  const send = async (event) => {
    event.preventDefault()
    if (Object.keys(faults).length) return
    setState({ runs: true })
    try {
      const { data } = await post(row.path, changed)
      say('Created.')
      go(['models', row.name, 'items', data[details.key]])
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      setState({ problem })
    }
  }
  return html`
    <div class="bar-top"><a href=${link(['models', row.name])}>All ${row.name}</a><h2>New item</h2></div>
    <form class="editor alone" onSubmit=${send}>
      ${state.problem && html`<${Refused} problem=${state.problem} details=${details} />`}
      <${Fields} details=${details} item=${null} draft=${draft} setDraft=${(next) => {
        setDraft(next)
        setState({})
      }} faults=${{ ...state.problem?.fields, ...faults }} isNew />
      <div class="buttons">
        <button class="primary" disabled=${state.runs || Object.keys(faults).length > 0}>
          ${state.runs ? 'Creating…' : 'Create'}</button>
        <a class="button quiet" href=${link(['models', row.name])}>Cancel</a>
      </div>
    </form>
  `
}
