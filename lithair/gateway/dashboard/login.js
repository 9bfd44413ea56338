// Who may see the page: the admin token, or a user of the role Admin.
import { html, useState } from './preact.js'
import { Notice } from './parts.js'
import { logIn, logInAs, reason } from './session.js'

export function LogIn() {
  return html`<main id="main" class="login">
    <h1>Lithair</h1>
    ${reason.value && html`<${Notice} tone="warn">${reason.value}<//>`}
    <${ByToken} />
    <details>
      <summary>Log in as a user of the role Admin</summary>
      <${ByName} />
    </details>
  </main>`
}

// Runs what a form asks for, and keeps what came of it.
function useSending() {
  const [state, setState] = useState({ runs: false, problem: null })
  const send = async (event, work) => {
    event.preventDefault()
    setState({ runs: true, problem: null })
    try {
      await work(event.target.elements)
      setState({ runs: false, problem: null })
    } catch (problem) {
      setState({ runs: false, problem })
    }
  }
  return [state, send]
}

function ByToken() {
  const [{ runs, problem }, send] = useSending()
  return html`<form onSubmit=${(event) => send(event, ({ token }) => logIn(token.value.trim()))}>
    <label for="token">Admin token</label>
    <input id="token" name="token" type="password" autocomplete="off" required autofocus
      aria-invalid=${problem ? 'true' : null} aria-describedby="token-help" />
    ${problem && html`<p class="fault" role="alert">${wrongToken(problem)}</p>`}
    <p id="token-help" class="hint">
      <code>lithair run</code> prints a link with it. It is also in the file <code>admin-token</code> of the
      run directory (<code>.lithair</code>), unless <code>LT_ADMIN_TOKEN</code> sets it.
    </p>
    <button class="primary" disabled=${runs}>Log in</button>
  </form>`
}

const wrongToken = (problem) =>
  problem.status === 401 ? 'This is not the admin token of this server.' : problem.message

function ByName() {
  const [{ runs, problem }, send] = useSending()
  const wantsCode = Boolean(problem?.fields?.code)
  const work = ({ username, password, code }) => logInAs(username.value, password.value, code?.value)
  return html`<form onSubmit=${(event) => send(event, work)}>
    <label for="username">User</label>
    <input id="username" name="username" autocomplete="username" required />
    <label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required />
    ${
      wantsCode &&
      html`<label for="code">Code of the second factor</label>
      <input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" required />`
    }
    ${problem && html`<p class="fault" role="alert">${wrongName(problem)}</p>`}
    <button disabled=${runs}>Log in</button>
  </form>`
}

function wrongName(problem) {
  if (problem.status === 404) return 'This application has no users of its own; use the admin token.'
  if (problem.fields?.code) return `Code: ${problem.fields.code}`
  return problem.status === 401 ? 'The name or the password is not right.' : problem.message
}
