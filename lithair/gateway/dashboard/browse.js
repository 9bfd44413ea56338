// A page of a model's items, as the public list answers; changes that come in are shown in place.
import { html, useEffect, useMemo, useState } from './preact.js'
import { Problem, get, isAbort } from './api.js'
import { hear } from './feed.js'
import { Filters } from './filters.js'
import { number, short } from './format.js'
import { Cell, Empty, Head, Notice, Table } from './parts.js'
import { encoded, nextSort, pageQuery, parse } from './query.js'
import { go, link, route } from './route.js'
import { Travel } from './travel.js'
import { isNumeric } from './values.js'

const SHOWN_FIRST = 8
const NO_NEWS = { create: 0, update: 0, delete: 0 }
const FLASH_MS = 1500

export function Browse({ row, details }) {
  const query = route.value.query
  const asked = useMemo(() => parse(query), [query])
  const [columns, setColumns] = useColumns(details, namedIn(asked))
  const change = (part) => go(['models', row.name], pageQuery({ ...asked, skip: 0, ...part }))
  const list = useList(row, details.key, asked, columns)
  return html`
    <${Filters} details=${details} asked=${asked} change=${change} problem=${list.problem} />
    <${Travel} row=${row} at=${asked.as_of} change=${(as_of) => change({ as_of, skip: asked.skip })}
      problem=${list.problem} />
    <div class="bar-top">
      <${Range} list=${list} asked=${asked} change=${change} />
      <${News} list=${list} asked=${asked} />
      <span class="space"></span>
      <${Columns} details=${details} columns=${columns} setColumns=${setColumns} />
      <a class="button" href=${link(['models', row.name, 'new'])}>New item</a>
    </div>
    ${list.problem && !isShownElsewhere(list.problem) && html`<${Notice}>${list.problem.message}<//>`}
    <${Items} row=${row} details=${details} asked=${asked} columns=${columns} list=${list} change=${change} />
    <p class="request"><span class="muted">The same by HTTP</span> <code>GET ${list.url}</code></p>
  `
}

const namedIn = ({ filters, sort }) => [
  ...filters.map((one) => one.field),
  ...sort.split(',').map((one) => one.replace(/^-/, '')),
]

// The grammar's mistakes are shown at the filters, those of a moment of the past at the slider.
const isShownElsewhere = ({ status }) => status === 400 || status === 410

// `named`: fields that are filtered or sorted by, which are shown in any case.
function useColumns(details, named) {
  const key = `lithair.columns.${details.name}`
  const all = details.fields.filter((one) => !one.hidden).map((one) => one.name)
  const [kept, setKept] = useState(() => {
    try {
      return JSON.parse(localStorage.getItem(key))
    } catch {
      return null
    }
  })
  const first = [details.key, ...all.filter((one) => one !== details.key)].slice(0, SHOWN_FIRST)
  const wanted = [...(Array.isArray(kept) ? kept : first), ...named]
  const columns = [details.key, ...all.filter((one) => one !== details.key && wanted.includes(one))]
  const set = (names) => {
    setKept(names)
    try {
      localStorage.setItem(key, JSON.stringify(names))
    } catch {
      // No storage: it holds until the page is closed.
    }
  }
  return [columns, set]
}

function useList(row, key, asked, columns) {
  const [state, setState] = useState({ rows: null, total: null, problem: null })
  const [news, setNews] = useState(NO_NEWS)
  const [again, setAgain] = useState(0)
  const [flashed, setFlashed] = useState(new Set())
  const url = row.path + withFields(asked, columns)
  useEffect(() => {
    const stop = new AbortController()
    setState((before) => ({ ...before, isBusy: true }))
    get(url, { signal: stop.signal })
      .then(({ data }) => {
        setState({ rows: data.data, total: data.total, more: data.has_more, problem: null })
        setNews(NO_NEWS)
      })
      .catch((error) => {
        if (isAbort(error)) return
        if (!(error instanceof Problem)) throw error
        setState({ rows: null, total: null, problem: error })
      })
    return () => stop.abort()
  }, [url, again])
  useEffect(() => {
    if (asked.as_of !== '') return undefined
    return hear(({ kind, id, item, at }) => {
      if (!at) return
      setState((before) => ({ ...before, rows: withChange(before.rows, key, kind, id, item) }))
      setNews((before) => ({ ...before, [kind]: before[kind] + 1 }))
      setFlashed((before) => new Set(before).add(id))
      setTimeout(() => setFlashed((before) => without(before, id)), FLASH_MS)
    })
  }, [asked.as_of, key])
  return { ...state, news, flashed, url, reload: () => setAgain(again + 1) }
}

function withFields(asked, columns) {
  const pairs = [
    ['take', asked.take],
    ['fields', columns.join(',')],
  ]
  const query = pageQuery({ ...asked, take: 50 })
  return `?${query ? `${query}&` : ''}${encoded(pairs)}`
}

function withChange(rows, key, kind, id, item) {
  return (
    rows?.map((one) => {
      if (one[key] !== id) return one
      return kind === 'delete' ? { ...one, [GONE]: true } : item
    }) ?? rows
  )
}

const GONE = Symbol('deleted since')
function without(set, one) {
  const rest = new Set(set)
  rest.delete(one)
  return rest
}

function Range({ list, asked, change }) {
  const count = list.rows?.length ?? 0
  const page = (skip) => change({ skip })
  return html`<div class="range" role="group" aria-label="Pages">
    <button type="button" class="quiet" disabled=${!asked.skip}
      onClick=${() => page(Math.max(0, asked.skip - asked.take))}>Previous</button>
    <span class="numbers">${count ? `${number(asked.skip + 1)}–${number(asked.skip + count)} of ${number(list.total)}` : list.rows ? 'none' : ''}</span>
    <button type="button" class="quiet" disabled=${!list.more}
      onClick=${() => page(asked.skip + count)}>Next</button>
    <label class="unseen" for="take">Items a page</label>
    <select id="take" value=${String(asked.take)}
      onChange=${(event) => change({ take: Number(event.target.value) })}>
      ${[25, 50, 100, 200].map((one) => html`<option value=${one}>${one} a page</option>`)}
    </select>
  </div>`
}

// Rows are changed where they stand; whether they still belong there is for a reload to find out.
function News({ list, asked }) {
  const { create, update, delete: gone } = list.news
  const isOrdered = asked.sort || asked.filters.length
  const text = [
    create && `${number(create)} created`,
    gone && `${number(gone)} deleted`,
    isOrdered && update && `${number(update)} changed`,
  ].filter(Boolean)
  if (!text.length) return null
  return html`<button type="button" class="news" onClick=${list.reload}>${text.join(', ')} since – reload</button>`
}

function Columns({ details, columns, setColumns }) {
  const toggle = (name, on) => setColumns(on ? [...columns, name] : columns.filter((one) => one !== name))
  return html`<details class="menu">
    <summary>Columns</summary>
    <fieldset>
      <legend class="unseen">Columns that are shown</legend>
      ${details.fields
        .filter((one) => !one.hidden && one.name !== details.key)
        .map(
          (one) => html`<label key=${one.name}>
            <input type="checkbox" checked=${columns.includes(one.name)}
              onChange=${(event) => toggle(one.name, event.target.checked)} />
            ${one.name}
          </label>`,
        )}
    </fieldset>
  </details>`
}

function Items({ row, details, asked, columns, list, change }) {
  if (!list.rows) return null
  if (!list.rows.length) return html`<${NoItems} row=${row} asked=${asked} change=${change} />`
  const fields = columns.map((name) => details.fields.find((one) => one.name === name) ?? { name })
  const past = asked.as_of === '' ? '' : encoded([['as_of', asked.as_of]])
  const head = fields.map(
    (field) =>
      html`<${SortHead} key=${field.name} field=${field} details=${details} sort=${asked.sort} change=${change} />`,
  )
  return html`<${Table} caption=${`Items of ${row.name}`} head=${head} kind="items" busy=${list.isBusy}>
    ${list.rows.map((item) => {
      const id = item[details.key]
      const kind = `${item[GONE] ? 'gone' : ''} ${list.flashed.has(id) ? 'flash' : ''}`
      return html`<tr key=${id} class=${kind}>
        ${fields.map((field, index) =>
          index === 0
            ? html`<th scope="row"><a class="id" title=${id} href=${link(['models', row.name, 'items', id], past)}>
              ${short(id)}</a></th>`
            : html`<${Cell} key=${field.name} value=${item[field.name]} />`,
        )}
      </tr>`
    })}
  <//>`
}

function SortHead({ field, details, sort, change }) {
  const kind = isNumeric(field, details.definitions) ? 'n' : ''
  if (field.sortable === false) return html`<${Head} kind=${kind}>${field.name}<//>`
  const way = sort === field.name ? 'ascending' : sort === `-${field.name}` ? 'descending' : 'none'
  const arrow = { ascending: '↑', descending: '↓', none: '' }[way]
  return html`<th scope="col" class=${kind} aria-sort=${way}>
    <button type="button" class="sort" onClick=${() => change({ sort: nextSort(sort, field.name) })}>
      ${field.name}<span aria-hidden="true">${arrow}</span>
    </button>
  </th>`
}

function NoItems({ row, asked, change }) {
  if (asked.filters.length) {
    return html`<${Empty} title="No item matches these filters.">
      <button type="button" onClick=${() => change({ filters: [] })}>Remove all filters</button>
    <//>`
  }
  if (asked.as_of !== '')
    return html`<${Empty} title="There were no items then."><p>Move the slider to a later event.</p><//>`
  if (asked.skip)
    return html`<${Empty} title="There are no items this far on.">
      <button type="button" onClick=${() => change({ skip: 0 })}>First page</button><//>`
  return html`<${Empty} title=${`${row.name} has no items yet.`}>
    <p><a href=${link(['models', row.name, 'new'])}>Create the first one</a>, or send one:</p>
    <pre>curl -X POST ${location.origin}${row.path} -H 'Content-Type: application/json' -d '{…}'</pre>
  <//>`
}
