// The filters of a list, in the public grammar: what holds now, and a form for one more.
import { html, useState } from './preact.js'
import { NAMES, OPERATORS } from './query.js'
import { shapeOf } from './values.js'

export function Filters({ details, asked, change, problem }) {
  const fields = details.fields.filter((one) => !one.hidden)
  const remove = (index) => change({ filters: asked.filters.filter((_, at) => at !== index) })
  const add = (filter) => change({ filters: [...asked.filters, filter] })
  return html`<div class="filters" role="group" aria-label="Filters">
    ${asked.filters.map(
      (one, index) => html`<span class="chip" key=${index}>
        <span><b>${one.field}</b> ${NAMES[one.operator]} ${one.value}</span>
        <button type="button" aria-label=${`Remove the filter ${one.field} ${NAMES[one.operator]} ${one.value}`}
          onClick=${() => remove(index)}>×</button>
      </span>`,
    )}
    <${More} fields=${fields} details=${details} add=${add} />
    ${problem?.status === 400 && !problem.message.includes('as_of') && html`<p class="fault" role="alert">
      ${problem.message}</p>`}
  </div>`
}

const choicesOf = ({ kind, choices }) => (kind === 'boolean' ? [true, false] : choices)

function More({ fields, details, add }) {
  const [field, setField] = useState(fields[0]?.name ?? '')
  const [operator, setOperator] = useState('')
  const [value, setValue] = useState('')
  const needsValue = !operator.endsWith('null')
  const chosen = fields.find((one) => one.name === field)
  const choices = chosen && choicesOf(shapeOf(chosen, details.definitions))
  const send = (event) => {
    event.preventDefault()
    add({ field, operator, value: needsValue ? value : '' })
    setValue('')
  }
  return html`<form class="more" onSubmit=${send}>
    <select aria-label="Field" value=${field} onChange=${(event) => setField(event.target.value)}>
      ${fields.map((one) => html`<option key=${one.name} value=${one.name}>${one.name}</option>`)}
    </select>
    <select aria-label="Operator" value=${operator} onChange=${(event) => setOperator(event.target.value)}>
      ${OPERATORS.map(([sign, text]) => html`<option key=${sign} value=${sign}>${text}</option>`)}
    </select>
    ${
      needsValue &&
      html`<input aria-label="Value" value=${value} list=${choices ? 'filter-choices' : null} autocomplete="off"
      placeholder=${operator === '[' ? 'one,two,three' : 'value'}
        onInput=${(event) => setValue(event.target.value)} />`
    }
    ${choices && html`<datalist id="filter-choices">${choices.map((one) => html`<option value=${String(one)} />`)}
      </datalist>`}
    <button>Add filter</button>
  </form>`
}
