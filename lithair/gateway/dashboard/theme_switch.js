// The switch between the system's theme, light and dark. theme.js sets it before anything is drawn.
import { html, signal } from './preact.js'

const KEY = 'lithair.theme'
export const theme = signal(document.documentElement.dataset.theme ?? '')
export const drawn = signal(0) // grows with each change of colours, for what is drawn on a canvas

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (drawn.value += 1))

export function choose(chosen) {
  if (chosen) document.documentElement.dataset.theme = chosen
  else delete document.documentElement.dataset.theme
  try {
    if (chosen) localStorage.setItem(KEY, chosen)
    else localStorage.removeItem(KEY)
  } catch {
    // No storage: it holds until the page is closed.
  }
  theme.value = chosen
  drawn.value += 1
}

export function ThemeSwitch() {
  return html`<label class="theme">
    <span>Theme</span>
    <select value=${theme.value} onChange=${(event) => choose(event.target.value)}>
      <option value="">System</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  </label>`
}
