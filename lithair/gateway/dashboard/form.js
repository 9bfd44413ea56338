// The fields of one item as a form. A draft is { name: { text, isNull } } of the fields that were
// touched; all others are as in `item`.
import { html } from './preact.js'
import { brief } from './format.js'
import { link } from './route.js'
import { byName } from './figures.js'
import { rules, same, shapeOf, textOf, valueOf } from './values.js'

const LONG = 70
const MARKS = {
  PrimaryKey: 'key',
  Unique: 'unique',
  Immutable: 'fixed at creation',
  Hidden: 'hidden',
  Audited: 'audited',
  Created: 'filled in at creation',
  Updated: 'filled in at each write',
  Owner: 'owner',
}

// { changed: {name: value}, faults: {name: message} }: what the draft says, against the item.
export function read(details, item, draft) {
  const changed = {}
  const faults = {}
  for (const field of details.fields) {
    const raw = draft[field.name]
    if (!raw) continue
    const { value, fault } = raw.isNull
      ? { value: null }
      : valueOf(shapeOf(field, details.definitions), raw.text)
    if (fault) faults[field.name] = fault
    else if (field.hidden || !item || !same(item[field.name], value)) changed[field.name] = value
  }
  return { changed, faults }
}

// `theirs`: the item as somebody else has made it meanwhile; fields that differ say so.
export function Fields({ details, item, draft, setDraft, faults, theirs, isNew = false, isFixed = false }) {
  const shown = details.fields.filter((one) => !(isNew && one.filled_in))
  return html`<div class="fields">
    ${shown.map((field) => {
      const fixed = isFixed || field.filled_in || (!isNew && field.immutable)
      const set = (raw) => {
        const { [field.name]: _, ...others } = draft
        setDraft(raw ? { ...others, [field.name]: raw } : others)
      }
      return html`<${Field} key=${field.name} field=${field} details=${details} item=${item}
        raw=${draft[field.name]}
        set=${set} fault=${faults[field.name]} theirs=${theirs} isNew=${isNew} isFixed=${fixed} />`
    })}
  </div>`
}

function Field({ field, details, item, raw, set, fault, theirs, isNew, isFixed }) {
  const shape = shapeOf(field, details.definitions)
  const value = item?.[field.name]
  const text = raw ? raw.text : textOf(shape, value)
  const isNull = raw ? raw.isNull : !isNew && value === null
  const id = `field-${field.name}`
  const isChanged = Boolean(raw) && !isNew
  const differs = theirs && !same(theirs[field.name], value)
  const notes = [fault && `${id}-fault`, `${id}-hint`].filter(Boolean).join(' ')
  const common = {
    id,
    'aria-describedby': notes,
    'aria-invalid': fault ? 'true' : null,
    disabled: isNull && !isFixed,
  }
  const change = (event) => set({ text: event.target.value, isNull: false })
  return html`<div class=${`field ${isChanged ? 'changed' : ''} ${fault ? 'faulty' : ''}`} data-field=${field.name}>
    <div class="name">
      <label for=${id}>${field.name}</label>
      <span class="hint" id=${`${id}-hint`}>${hint(field, shape, isNew)}</span>
    </div>
    <div class="control">
      ${isFixed ? html`<output id=${id}>${value == null ? 'null' : text}
        </output>` : control(field, shape, text, isNull, isNew, raw, common, change)}
      ${field.nullable && !isFixed && html`<label class="null">
        <input type="checkbox" checked=${isNull}
        onChange=${(event) => set({ text: isNull ? text : '', isNull: event.target.checked })}
        aria-label=${`${field.name} is null`} /> null</label>`}
      ${isChanged && html`<button type="button" class="quiet" onClick=${() => set(null)}
        aria-label=${`Undo the change of ${field.name}`}>Undo</button>`}
      ${field.ref && value && html`<${Referred} to=${field.ref} id=${value} />`}
    </div>
    ${fault && html`<p class="fault" id=${`${id}-fault`} role="alert">${fault}</p>`}
    ${differs && html`<p class="theirs">Now <code>${brief(theirs[field.name] ?? null)}
      </code> <button type="button" class="quiet"
      onClick=${() => set({ text: textOf(shape, theirs[field.name]), isNull: theirs[field.name] === null })}>Take
      it</button></p>`}
  </div>`
}

function control(field, shape, text, isNull, isNew, raw, common, change) {
  if (shape.kind === 'boolean' || shape.kind === 'choice') {
    const choices = shape.kind === 'boolean' ? ['true', 'false'] : shape.choices.map(String)
    const isOpen = isNull || (isNew && !raw)
    return html`<select ...${common} value=${isOpen ? '' : text} onChange=${change}>
      ${isOpen && html`<option value="">${isNew && !isNull ? preset(field) : ''}</option>`}
      ${choices.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
    </select>`
  }
  const placeholder = isNull
    ? 'null'
    : field.hidden
      ? 'not shown; write to change it'
      : isNew
        ? preset(field)
        : ''
  const isLong = shape.kind === 'json' || text.length > LONG || text.includes('\n')
  if (isLong) {
    const rows = Math.min(12, Math.max(2, text.split('\n').length, Math.ceil(text.length / 90)))
    return html`<textarea ...${common} class=${shape.kind === 'json' ? 'json' : ''} rows=${rows}
      placeholder=${placeholder} spellcheck="false" value=${isNull ? '' : text} onInput=${change}></textarea>`
  }
  return html`<input ...${common} type="text" inputmode=${shape.kind === 'number' ? 'decimal' : null}
    class=${shape.kind === 'number' ? 'n' : ''}
    placeholder=${placeholder} autocomplete="off" value=${isNull ? '' : text} onInput=${change} />`
}

function preset(field) {
  if (field.default !== undefined) return `default: ${brief(field.default, 40)}`
  return field.required ? '' : 'made by the server'
}

function hint(field, shape, isNew) {
  const type = shape.kind === 'choice' ? 'choice' : field.type.replace(/ ?\| ?(null|None)$/, '')
  const marks = field.markers.map((one) => MARKS[one]).filter(Boolean)
  const told = [type, rules(shape), ...marks]
  if (isNew && field.required) told.push('required')
  return told.filter(Boolean).join(' · ')
}

// The item that a Ref leads to, where its model is known here.
function Referred({ to, id }) {
  const row = [...byName.value.values()].find((one) => one.class_name === to || one.name === to)
  if (!row) return null
  return html`<a href=${link(['models', row.name, 'items', id])}>Open ${row.name}</a>`
}
