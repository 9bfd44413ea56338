// Requests to this server. A refusal is a Problem, whatever it was refused for.
import { signal } from './preact.js'

export const ADMIN = '/_admin/data'
export const SESSION = '/_admin/session'
const ANSWER_MAX_MS = 60_000

// Called when a request is told that nobody is logged in any more.
export const loggedOut = signal(0)

export class Problem extends Error {
  constructor(status, told = {}) {
    super(told.detail || told.error || told.title || `The server answered ${status}`)
    this.status = status
    this.told = told
    this.fields = {}
    for (const { field, message } of told.errors ?? []) {
      const name = String(field).split(/[.[]/)[0]
      this.fields[name] = field === name ? message : `${field}: ${message}`
    }
  }
}

const AWAY = { error: 'The server can’t be reached. Is it running?' }
const SLOW = { error: 'The server took longer than a minute to answer.' }

// Gives { status, data, etag, seq }; throws a Problem.
export async function call(method, path, { body, etag, signal: stop, type } = {}) {
  const headers = { Accept: 'application/json' }
  if (body !== undefined) headers['Content-Type'] = type ?? 'application/json'
  if (etag) headers['If-Match'] = etag
  const limit = AbortSignal.timeout(ANSWER_MAX_MS)
  let answer
  let text
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      signal: stop ? AbortSignal.any([stop, limit]) : limit,
    })
    text = await answer.text()
  } catch (error) {
    if (stop?.aborted) throw error
    throw new Problem(0, limit.aborted ? SLOW : AWAY)
  }
  const data = read(text)
  if (answer.ok) {
    const seq = Number(answer.headers.get('Lithair-Seq') ?? 0)
    return { status: answer.status, data, etag: answer.headers.get('ETag'), seq }
  }
  if (answer.status === 401 && path !== SESSION) loggedOut.value += 1
  throw new Problem(answer.status, data ?? {})
}

export const get = (path, options) => call('GET', path, options)
export const post = (path, body, options) => call('POST', path, { ...options, body })
export const isAbort = (error) => error?.name === 'AbortError'

export function itemPath(model, id, tail = '') {
  return `${model.path}/${encodeURIComponent(id)}${tail}`
}

function read(text) {
  try {
    return text ? JSON.parse(text) : null
  } catch {
    return null
  }
}
