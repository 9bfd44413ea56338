// Who is logged in. The token of the link is exchanged for a cookie at once, and kept nowhere.
import { batch, effect, signal } from './preact.js'
import { SESSION, Problem, call, get, loggedOut, post } from './api.js'

export const who = signal(undefined) // undefined: not known yet; null: nobody
export const reason = signal('') // why nobody is, where that is worth saying

export async function start() {
  addEventListener('hashchange', () => takeToken())
  effect(() => {
    if (loggedOut.value) leave('Your session has ended. Log in again.')
  })
  if (!(await takeToken())) await ask()
}

// The fragment of the link that the server prints; views begin with "#/".
async function takeToken() {
  const token = location.hash.slice(1)
  if (!token || token.startsWith('/')) return false
  history.replaceState(null, '', location.pathname)
  try {
    await logIn(token)
  } catch (problem) {
    if (problem.status !== 401) leave(problem.message)
    else leave('The token of this link is not valid. Each start of the server may make a new one.')
  }
  return true
}

export async function logIn(token) {
  await post(SESSION, { token })
  await ask()
}

export async function logInAs(username, password, code) {
  await post('/auth/login', code ? { username, password, code } : { username, password })
  try {
    admit((await get(SESSION)).data)
  } catch (problem) {
    if (problem.status !== 403) throw problem
    throw new Problem(403, { error: `${username} is not of the role Admin.` })
  }
}

export async function logOut() {
  await call('DELETE', SESSION)
  leave('')
}

async function ask() {
  try {
    admit((await get(SESSION)).data)
  } catch (problem) {
    leave([401, 404].includes(problem.status) ? '' : problem.message)
  }
}

function admit(told) {
  batch(() => {
    reason.value = ''
    who.value = told
  })
}

function leave(why) {
  batch(() => {
    reason.value = why
    who.value = null
  })
}
