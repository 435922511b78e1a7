// What came of pulls over time: how much was served and fetched, and which part was answered from here.
import { Component, createRef, h } from 'preact'
import uPlot from 'uplot'
import { share, size } from './format.js'
import { Panel } from './panels.js'

const ranges = [
  { name: '15 min', seconds: 900 },
  { name: '2 h', seconds: 7200 },
  { name: '24 h', seconds: 86_400 },
  { name: '7 days', seconds: 604_800 },
]
const buckets = 90
/** Steps that a point of the hit ratio stands for. */
const smoothing = 6
const leastHeight = 132

export class Traffic extends Component {
  state = { range: ranges[0] }

  render({ samples, now }, { range }) {
    const shown = bucketed(samples, now, range.seconds)
    const { pulls, hits, servedBytes, fetchedBytes } = shown.total
    const words = `${share(hits, pulls)} of ${pulls} pulls from here, ${size(servedBytes)} served, ${size(fetchedBytes)} fetched, in the last ${range.name}`
    const choices = ranges.map((each) =>
      h('button', { key: each.name, type: 'button', 'aria-pressed': each === range, onClick: () => this.setState({ range: each }) }, each.name),
    )
    return h(Panel, { id: 'traffic', title: 'Traffic' }, [
      h('div', { class: 'choices', role: 'group', 'aria-label': 'Time shown' }, choices),
      h('figure', {}, [
        h('figcaption', {}, [h('b', {}, 'Bytes per second'), h('span', { class: 'key served' }, 'served'), h('span', { class: 'key fetched' }, 'fetched')]),
        h(Chart, { label: words, kind: 'bytes', data: [shown.times, shown.served, shown.fetched] }),
      ]),
      h('figure', {}, [
        h('figcaption', {}, [h('b', {}, 'Pulls answered from here'), h('span', { class: 'aside' }, `${share(hits, pulls)} of ${pulls.toLocaleString('en')}`)]),
        h(Chart, { label: words, kind: 'ratio', data: [shown.times, shown.ratio] }),
      ]),
    ])
  }
}

const none = { pulls: 0, hits: 0, servedBytes: 0, fetchedBytes: 0, seconds: 0 }

function added(sum, sample) {
  return Object.fromEntries(Object.keys(none).map((name) => [name, sum[name] + sample[name]]))
}

/** Samples of any length, as so many steps of equal length. */
function bucketed(samples, now, seconds) {
  const width = Math.max(10, seconds / buckets)
  const end = Math.ceil(now / 1000 / width) * width
  const begin = end - seconds
  const steps = Array.from({ length: Math.ceil(seconds / width) }, () => none)
  let total = none
  for (const sample of samples) {
    const at = Math.floor((Date.parse(sample.at) / 1000 - sample.seconds / 2 - begin) / width)
    if (at < 0 || at >= steps.length) continue
    steps[at] = added(steps[at], sample)
    total = added(total, sample)
  }
  const rate = (name) => steps.map((step) => (step[name] > 0 ? step[name] / Math.max(step.seconds, 1) : null))
  return {
    times: steps.map((_, at) => begin + (at + 0.5) * width),
    served: rate('servedBytes'),
    fetched: rate('fetchedBytes'),
    ratio: steps.map((_, at) => ratioOf(steps.slice(Math.max(0, at - smoothing + 1), at + 1))),
    total,
  }
}

/** Of few pulls a part says little, so each point stands for some steps. */
function ratioOf(steps) {
  const { pulls, hits } = steps.reduce(added, none)
  return pulls > 0 ? (100 * hits) / pulls : null
}

/** uPlot draws on a canvas, so it is told the colours of the page, and anew when these or the width change. */
class Chart extends Component {
  host = createRef()
  theme = matchMedia('(prefers-color-scheme: dark)')
  remake = () => this.make()

  componentDidMount() {
    this.make()
    this.theme.addEventListener('change', this.remake)
    this.resize = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width > 0) this.plot?.setSize({ width: Math.floor(contentRect.width), height: Math.max(leastHeight, Math.floor(contentRect.height)) })
    })
    this.resize.observe(this.host.current)
  }

  componentDidUpdate() {
    this.plot?.setData(this.props.data)
  }

  componentWillUnmount() {
    this.theme.removeEventListener('change', this.remake)
    this.resize.disconnect()
    this.plot?.destroy()
  }

  make() {
    this.plot?.destroy()
    const { kind, data } = this.props
    const { clientWidth, clientHeight } = this.host.current
    const width = Math.max(200, clientWidth)
    const height = Math.max(leastHeight, clientHeight)
    this.plot = new uPlot({ ...optionsFor(kind), width, height }, data, this.host.current)
  }

  render({ label }) {
    return h('div', { class: 'chart', ref: this.host, role: 'img', 'aria-label': label })
  }
}

const bars = uPlot.paths.bars({ size: [0.72, 40] })
const isSparse = (plot) => plot.data[1].filter((value) => value !== null).length < 12

function optionsFor(kind) {
  const style = getComputedStyle(document.documentElement)
  const colour = (name) => style.getPropertyValue(`--${name}`).trim()
  const axis = {
    stroke: colour('faint'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: colour('rule'), width: 1 },
    ticks: { show: false },
  }
  const curve = (name) => ({ stroke: colour(name), width: 1.5, fill: colour(`${name}-fill`), spanGaps: true, points: { show: isSparse, size: 4, fill: colour(name) } })
  const bar = (name) => ({ stroke: 'transparent', width: 0, fill: colour(name), paths: bars, points: { show: false } })
  return {
    padding: [6, 2, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: kind === 'ratio' ? [0, 100] : (_plot, _least, most) => [0, Math.max(1000, most * 1.08)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 24, space: 70, values: (_plot, splits, _axis, _space, step) => splits.map((at) => timeText(at, step)) },
      { ...axis, size: 64, space: 36, values: (_plot, splits) => splits.map((value) => (kind === 'ratio' ? `${value} %` : value === 0 ? '0' : size(value))) },
    ],
    series: kind === 'ratio' ? [{}, curve('hit')] : [{}, bar('served'), bar('fetched')],
  }
}

function timeText(seconds, step) {
  const at = new Date(seconds * 1000)
  if (step >= 86_400) return at.toLocaleDateString([], { month: 'short', day: 'numeric' })
  return at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
}
