// Where in the page we are: "#/models/films?year=>2000&sort=-stars". The query is the public grammar.
import { signal } from './preact.js'

export const route = signal(read())

addEventListener('hashchange', () => {
  if (isView()) route.value = read()
})

function isView() {
  return location.hash === '' || location.hash.startsWith('#/')
}

function read() {
  const hash = isView() ? location.hash.slice(1) : ''
  const cut = hash.indexOf('?')
  const path = cut < 0 ? hash : hash.slice(0, cut)
  const segments = path.split('/').filter(Boolean).map(decoded)
  return { segments, query: cut < 0 ? '' : hash.slice(cut + 1) }
}

function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export function link(segments, query = '') {
  return `#/${segments.map(encodeURIComponent).join('/')}${query ? `?${query}` : ''}`
}

export function go(segments, query = '', { replace = false } = {}) {
  const target = link(segments, query)
  if (target === location.hash) return
  if (!replace) {
    location.hash = target
    return
  }
  history.replaceState(null, '', target)
  route.value = read()
}
