// One line over the last five minutes: uPlot draws it, its head says the newest value.
import { effect, html, useEffect, useRef, useState } from './preact.js'
import uPlot from './vendor/uplot.js'
import { clock } from './format.js'
import { series, tick } from './figures.js'
import { drawn } from './theme_switch.js'

const HEIGHT = 112
const SPAN_S = 300
const FONT = '11px system-ui, sans-serif'

// Canvases know no CSS: colours are what the stylesheet gives the chart's own element.
function options(place, { write, least }, hover) {
  const colour = (name) => getComputedStyle(place)[name]
  const axis = {
    stroke: () => colour('outlineColor'),
    font: FONT,
    ticks: { show: false },
    grid: { stroke: () => colour('borderTopColor'), width: 1 },
  }
  return {
    width: place.clientWidth || 300,
    height: HEIGHT,
    padding: [8, 10, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: {
      x: { range: (_, __, max) => [max - SPAN_S, max] },
      y: { range: (_, __, max) => [0, Math.max(least, max * 1.1)] },
    },
    axes: [
      { ...axis, size: 22, space: 80, grid: { show: false }, values: (_, at) => at.map(minute) },
      { ...axis, size: 48, space: 28, values: (_, values) => values.map(write) },
    ],
    series: [{}, { stroke: () => colour('color'), width: 1.5, points: { show: false } }],
    hooks: {
      setCursor: [(chart) => hover(chart.cursor.idx)],
    },
  }
}

const minute = (at) => clock(new Date(at * 1000)).slice(0, 5)

// `least`: how far the scale goes at least, so that next to nothing looks like it.
export function Chart({ title, kind, model, write, least, what }) {
  const place = useRef(null)
  const [now, setNow] = useState(null)
  const [at, setAt] = useState(null)
  useEffect(() => {
    let index = null
    const show = (data) => {
      const shown = index ?? data[1].length - 1
      setNow(data[1][shown] ?? null)
      setAt(index == null ? null : data[0][shown])
    }
    const chart = new uPlot(
      options(place.current, { write, least }, (hovered) => {
        index = hovered
        show(series(kind, model))
      }),
      [[], []],
      place.current,
    )
    const ends = [
      effect(() => {
        tick.value
        const data = series(kind, model)
        chart.setData(data)
        show(data)
      }),
      effect(() => {
        if (drawn.value) chart.redraw()
      }),
    ]
    const watch = new ResizeObserver(() => {
      if (place.current) chart.setSize({ width: place.current.clientWidth, height: HEIGHT })
    })
    watch.observe(place.current)
    return () => {
      watch.disconnect()
      for (const end of ends) end()
      chart.destroy()
    }
  }, [kind, model])
  const said = `${title}: ${write(now)}. ${what}, over the last five minutes.`
  return html`<figure class="chart">
    <figcaption>
      <span class="label">${title}</span>
      <span class="value">${write(now)}</span>
      <span class="at">${at ? clock(new Date(at * 1000)) : ''}</span>
    </figcaption>
    <div class="plot" ref=${place} role="img" aria-label=${said}></div>
  </figure>`
}
