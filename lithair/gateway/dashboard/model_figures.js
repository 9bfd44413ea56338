// All figures of one model: charts, what it keeps in RAM and on disk, and its process.
import { html } from './preact.js'
import { p99 } from './figures.js'
import { ago, bytes, number, plural, seconds, span, time } from './format.js'
import { Charts, Compact, Ram } from './overview.js'
import { Notice } from './parts.js'

export function ModelFigures({ row, details }) {
  const { stats, counters, streams } = row
  return html`
    <${Charts} model=${row.name} />
    ${!stats && html`<${Notice} tone="warn">Its process does not answer at the moment.<//>`}
    ${
      stats?.damaged > 0 &&
      html`<${Notice}>${plural(stats.damaged, 'record')} failed the check when read. Run <code>lithair
        verify</code> on its directory.<//>`
    }
    <div class="columns">
      <${Facts} title="Items" facts=${[
        ['Items', number(stats?.item_count)],
        ['Hot, whole in RAM', number(stats?.hot_count)],
        ['Warm, read back when asked for', number(stats?.warm_count)],
        ['RAM', html`<${Ram} row=${row} />`],
        ['Kept hot', retention(row.retention)],
        [
          'Fields in RAM when warm',
          details.fields
            .filter((one) => one.in_ram)
            .map((one) => one.name)
            .join(', '),
        ],
      ]} />
      <${Facts} title="Log" facts=${[
        ['Last event', number(stats?.seq)],
        ['On disk', bytes(stats?.raftlog_size_bytes)],
        ['Events since compaction', number(stats?.events_since_last_compaction)],
        [
          'Last compaction',
          stats?.last_compaction_at
            ? `${time(stats.last_compaction_at)}, ${ago(stats.last_compaction_at)}`
            : 'never',
        ],
        ['', html`<${Compact} row=${row} kind="" />`],
      ]} />
      <${Facts} title="Work, since the process began" facts=${[
        ['Reads', number(counters?.reads)],
        ['Writes', number(counters?.writes)],
        [
          'Created, updated, deleted',
          counters && ['create', 'update', 'delete'].map((one) => number(counters.events[one])).join(', '),
        ],
        ['Commits', number(counters?.commits.count)],
        ['Commit p50', seconds(counters?.commits.p50_s)],
        ['Commit p99', seconds(counters && p99(row))],
      ]} />
      <${Facts} title="Process" facts=${[
        ['PID', row.pid ?? '–'],
        ['Since', span(row.since_s)],
        ['Restarts', html`<span class="restarts">${number(row.restarts)}</span>`],
        ['CPU', stats ? `${number(Math.round(stats.process.cpu_percent))} %` : '–'],
        ['Memory', bytes(stats?.process.rss_bytes)],
        ['Stream readers', number(streams?.readers)],
        ['Events streamed', number(streams?.events)],
        ['Readers cut off, too slow', number(streams?.lagged)],
      ]} />
    </div>
  `
}

function Facts({ title, facts }) {
  return html`<section class="panel">
    <h2>${title}</h2>
    <dl>
      ${facts.map(([name, value]) => (name ? html`<div><dt>${name}</dt><dd>${value}</dd></div>` :
        html`<div class="wide"><dt class="unseen">Action</dt><dd>${value}</dd></div>`))}
    </dl>
  </section>`
}

function retention({ count, age_s, max_bytes }) {
  const bounds = [
    [count, (value) => plural(value, 'item')],
    [age_s, (value) => `written within ${span(value)}`],
    [max_bytes, (value) => bytes(value)],
  ].filter(([bound]) => bound.value != null)
  if (!bounds.length) return 'all items'
  return bounds.map(([bound, write]) => {
    const isSet = bound.value !== bound.declared
    return html`<span class="bound">${write(bound.value)}${isSet ? html` <small>by ${bound.variable}</small>` : ''}
      </span>`
  })
}
