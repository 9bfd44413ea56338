// The page: who is logged in, the way around, and the view that the address asks for.
import { effect, html, render, useEffect } from './preact.js'
import { failure, models, server, start as startFigures } from './figures.js'
import { Listeners } from './listeners.js'
import { LogIn } from './login.js'
import { ModelPage } from './model.js'
import { Overview } from './overview.js'
import { Notice, Waiting } from './parts.js'
import { link, route } from './route.js'
import { logOut, start as startSession, who } from './session.js'
import { Sessions } from './sessions.js'
import { number } from './format.js'
import { ThemeSwitch } from './theme_switch.js'

const VIEWS = { models: ModelPage, sessions: Sessions, listeners: Listeners }
const TITLES = { models: '', sessions: 'Sessions', listeners: 'Listeners' }

function App() {
  if (who.value === undefined) return html`<${Waiting} what="Looking who you are" />`
  if (who.value === null) return html`<${LogIn} />`
  return html`<${Frame} />`
}

function Frame() {
  const [place = '', name = ''] = route.value.segments
  const View = VIEWS[place] ?? Overview
  const title = place === 'models' ? name : (TITLES[place] ?? 'Overview')
  useEffect(() => {
    document.title = `${title} – Lithair`
    document.getElementById('main')?.focus({ preventScroll: true })
    scrollTo(0, 0)
  }, [place, name])
  return html`
    <a class="skip" href="#main" onClick=${toContent}>Skip to content</a>
    <${Side} place=${place} name=${name} />
    <main id="main" tabindex="-1">
      <${Away} />
      ${models.value ? html`<${View} key=${name} />` : html`<${Waiting} what="Asking the server" />`}
    </main>
  `
}

// The fragment is the view: a plain link to #main would leave it.
function toContent(event) {
  event.preventDefault()
  document.getElementById('main').focus()
}

function Away() {
  if (!failure.value) return null
  return html`<${Notice}>${failure.value.message} What is shown is from before; trying again each second.<//>`
}

function Side({ place, name }) {
  const here = (is) => (is ? 'page' : null)
  return html`<header class="side">
    <a class="brand" href="#/">Lithair</a>
    <nav aria-label="Views">
      <a href="#/" aria-current=${here(place === '')}>Overview</a>
      <h2 id="nav-models">Models</h2>
      <ul aria-labelledby="nav-models">
        ${(models.value ?? []).map(
          (row) => html`<li key=${row.name}>
            <a href=${link(['models', row.name])} aria-current=${here(place === 'models' && name === row.name)}>
              <span>${row.name}</span>
              <${Count} row=${row} />
            </a>
          </li>`,
        )}
      </ul>
      <h2 id="nav-server">Server</h2>
      <ul aria-labelledby="nav-server">
        <li><a href="#/sessions" aria-current=${here(place === 'sessions')}>Sessions</a></li>
        <li><a href="#/listeners" aria-current=${here(place === 'listeners')}>Listeners</a></li>
      </ul>
    </nav>
    <div class="foot">
      <p title=${`Logged in by ${who.value.by}`}>${who.value.by}</p>
      <${ThemeSwitch} />
      <button type="button" class="quiet" onClick=${() => logOut()}>Log out</button>
      <p class="muted">${server.value ? `Lithair ${server.value.version}` : ''}</p>
    </div>
  </header>`
}

function Count({ row }) {
  if (row.phase !== 'serving') return html`<span class=${`count ${row.phase}`}>${row.phase}</span>`
  return html`<span class="count">${number(row.stats?.item_count)}</span>`
}

effect(() => {
  document.body.classList.toggle('framed', Boolean(who.value))
})
startSession()
startFigures()
render(html`<${App} />`, document.getElementById('page'))
