// The slider of time: which event is the last one that counts. All to the right is the present.
import { html, useEffect, useRef, useState } from './preact.js'
import { number } from './format.js'

const SETTLED_MS = 300

export function Travel({ row, at, change, problem }) {
  const last = row.stats?.seq ?? 0
  const isPast = at !== ''
  const isSeq = /^\d+$/.test(at)
  const [moved, setMoved] = useState(null) // while the slider is being moved
  const timer = useRef(0)
  useEffect(() => () => clearTimeout(timer.current), [])
  const [oldest, setOldest] = useState(0)
  useEffect(() => {
    const told = problem?.status === 410 ? problem.told.oldest_seq : null
    if (told != null) setOldest(told)
  }, [problem])
  const shown = moved ?? (isSeq ? Number(at) : last)
  const choose = (text) => {
    setMoved(null)
    change(text === '' || Number(text) >= last ? '' : String(text))
  }
  // By keyboard each step is a change; a moment of the past is not built for each.
  const settle = (text) => {
    clearTimeout(timer.current)
    timer.current = setTimeout(() => choose(text), SETTLED_MS)
  }
  const send = (event) => {
    event.preventDefault()
    choose(event.target.elements.moment.value.trim())
  }
  const fault =
    problem && (problem.status === 410 || (problem.status === 400 && problem.message.includes('as_of')))
  return html`<div class=${`travel ${isPast ? 'past' : ''}`} role="group" aria-label="Time travel">
    <label for="travel">As of</label>
    <input id="travel" type="range" min=${Math.min(oldest, last)} max=${last} value=${shown}
      aria-valuetext=${isPast || moved != null ? `event ${shown} of ${last}` : 'now'}
      onInput=${(event) => setMoved(Number(event.target.value))}
      onChange=${(event) => settle(event.target.value)} />
    <form onSubmit=${send}>
      <input key=${moved ?? at} name="moment" aria-label="Event number or time" autocomplete="off"
        defaultValue=${moved ?? at} placeholder=${`now, event ${last}`}
          title="A number of an event, or a time such as 2026-01-31T12:00:00Z" />
    </form>
    ${isPast && html`<button type="button" class="quiet" onClick=${() => choose('')}>Back to now</button>`}
    ${fault && html`<p class="fault" role="alert">
      ${problem.message} ${problem.told.oldest_seq != null &&
      html`<button type="button" class="quiet" onClick=${() => choose(String(problem.told.oldest_seq))}>Go to
      event ${number(problem.told.oldest_seq)}</button>`}</p>`}
    <span class="unseen" role="status">${isPast ? `Shown as of ${isSeq ? `event ${at}` : at}` : ''}</span>
  </div>`
}
