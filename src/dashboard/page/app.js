// The dashboard: one state, fed by the live view, drawn anew when it changes.
import { h, render } from 'preact'
import { get, listen } from './api.js'
import { Traffic } from './charts.js'
import { plural, span } from './format.js'
import { Images } from './images.js'
import { Arrivals, Figures, Incidents, Space, Upstreams } from './panels.js'

/** Samples of two hours in fine steps, and of a week in coarse ones. */
const mostSamples = 2800

const state = { status: undefined, samples: [], speeds: new Map(), isConnected: true, spoken: '', spokenTimes: 0 }

function draw() {
  render(h(Dashboard, { ...state }), document.getElementById('app'))
}

function Dashboard({ status, samples, speeds, isConnected, spoken, spokenTimes }) {
  if (status === undefined) return h('p', { class: 'alone', role: 'status' }, isConnected ? 'Asking the server …' : 'No answer from the server yet …')
  const now = Date.parse(status.now)
  const isMirror = status.mode === 'mirror'
  return [
    h(Masthead, { status, now, isConnected }),
    h('main', { class: isConnected ? '' : 'old' }, [
      h(Figures, { status, now }),
      h('div', { class: 'columns' }, [
        h('div', { class: 'wide' }, [isMirror && h(Arrivals, { fills: status.fills, speeds, now }), h(Traffic, { samples, now })]),
        h('div', { class: 'narrow' }, [
          isMirror && h(Upstreams, { upstreams: status.upstreams, now }),
          status.space !== null && h(Space, { space: status.space, now }),
          h(Incidents, { incidents: status.incidents, now }),
        ]),
      ]),
      h(Images, { now, isConnected, arrived: status.traffic.misses, onSpeak: speak }),
    ]),
    h('div', { role: 'status', 'aria-live': 'polite' }, spoken !== '' && h('p', { class: 'toast', key: spokenTimes }, spoken)),
  ]
}

const healths = { well: 'all is well', troubled: 'in trouble', failing: 'failing', stopping: 'stopping' }

/** One sentence for who passes by. */
function standing({ health, upstreams }, isConnected) {
  if (!isConnected) return { tone: 'lost', text: 'no connection: this is how it was' }
  if (health !== 'well') return { tone: health, text: healths[health] }
  if (upstreams.some(({ state: its }) => its === 'failing' || its === 'open')) return { tone: 'troubled', text: 'upstream is in trouble: what is here is served' }
  if (upstreams.some(({ state: its }) => its === 'paused')) return { tone: 'troubled', text: 'upstream wants to be left alone: what is here is served' }
  return { tone: 'well', text: healths.well }
}

function Masthead({ status, now, isConnected }) {
  const { problems, replica } = status
  const { tone, text } = standing(status, isConnected)
  return h('header', { class: 'masthead' }, [
    h('h1', {}, 'entrepot'),
    h('p', { class: 'facts' }, `${status.mode === 'mirror' ? 'mirror' : 'registry'} · ${status.version} · up ${span((now - Date.parse(status.startedAt)) / 1000)} · on ${replica.name}`),
    h('p', { class: `health ${tone}` }, [h('i', { 'aria-hidden': true }), text]),
    replica.others.length > 0 && h(Others, { others: replica.others }),
    problems.length > 0 &&
      h('ul', { class: 'problems' }, problems.map(({ part, text }) => h('li', { key: part }, [h('b', {}, part), ` ${text}`]))),
  ])
}

/** Of several machines each shows itself. */
function Others({ others }) {
  const shown = others.map(({ name, dashboard }) => [' ', dashboard === null ? name : h('a', { href: dashboard, key: dashboard }, name)])
  return h('p', { class: 'others' }, ['This page shows this replica alone. Others:', ...shown])
}

function speak(text) {
  say(text)
  draw()
}

function say(text) {
  state.spoken = text
  state.spokenTimes += 1
}

/** Bytes per second of each fill, smoothed; and what a listener should hear of. */
function onStatus(status) {
  const before = state.status
  const seconds = before === undefined ? 0 : (Date.parse(status.now) - Date.parse(before.now)) / 1000
  const speeds = new Map()
  for (const { digest, bytes } of status.fills) {
    const known = before?.fills.find((each) => each.digest === digest)
    if (known === undefined || seconds <= 0) continue
    const measured = (bytes - known.bytes) / seconds
    const smooth = state.speeds.get(digest)
    speeds.set(digest, smooth === undefined ? measured : smooth * 0.6 + measured * 0.4)
  }
  Object.assign(state, { status, speeds, isConnected: true })
  const news = before === undefined ? undefined : newsOf(before, status)
  if (news !== undefined) say(news)
  document.title = titleOf(status)
  draw()
}

function newsOf(before, status) {
  if (status.health !== before.health) return `The server: ${healths[status.health]}`
  for (const { name, state: its } of status.upstreams) {
    const was = before.upstreams.find((each) => each.name === name)
    if (was !== undefined && was.state !== its) return its === 'up' ? `${name} is back` : `${name} is in trouble`
  }
  return undefined
}

function titleOf({ health, fills }) {
  if (health !== 'well') return `entrepot: ${healths[health]}`
  return fills.length === 0 ? 'entrepot' : `entrepot: ${plural(fills.length, 'arrival', 'arrivals')}`
}

async function start() {
  draw()
  listen({
    onStatus,
    onSample(sample) {
      state.samples = [...state.samples, sample].slice(-mostSamples)
      draw()
    },
    onConnection(isConnected) {
      if (isConnected === state.isConnected) return
      state.isConnected = isConnected
      draw()
    },
  })
  try {
    const { samples } = await get('history')
    state.samples = samples
    draw()
  } catch (error) {
    speak(`The curves begin now: ${error.message}`)
  }
}

await start()
