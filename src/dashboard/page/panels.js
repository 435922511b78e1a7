// What stands on the wall: figures, arrivals, upstreams, space, incidents. Each draws what it is given.
import { h } from 'preact'
import { clock, count, plural, share, shortDigest, size, span, when } from './format.js'

/** A part of the page with its heading. */
export function Panel({ id, title, aside, children }) {
  return h('section', { class: `panel on-${id}`, id, 'aria-labelledby': `${id}-title` }, [
    h('h2', { id: `${id}-title` }, title),
    aside !== undefined && h('p', { class: 'aside' }, aside),
    children,
  ])
}

function Figure({ label, value, note, tone = '' }) {
  return h('div', { class: `figure ${tone}` }, [h('dt', {}, label), h('dd', {}, [h('strong', {}, value), note !== undefined && h('span', {}, note)])])
}

export function Figures({ status, now }) {
  const { traffic, upstreams, space, fills } = status
  const saved = Math.max(0, traffic.servedBytes - traffic.fetchedBytes)
  const limited = upstreams.filter(({ quota }) => quota !== null).sort((a, b) => a.quota.remaining / a.quota.limit - b.quota.remaining / b.quota.limit)
  const [tightest] = limited
  return h('dl', { class: 'figures', 'aria-label': 'Since the start' }, [
    h(Figure, {
      label: 'from here',
      value: share(traffic.hits, traffic.pulls),
      note: `${count(traffic.hits)} of ${plural(traffic.pulls, 'pull', 'pulls')}${traffic.stale > 0 ? `, ${count(traffic.stale)} stale` : ''}`,
    }),
    h(Figure, { label: 'saved', value: size(saved), note: `${size(traffic.servedBytes)} served, ${size(traffic.fetchedBytes)} fetched` }),
    status.mode === 'mirror' && h(Figure, { label: 'arriving', value: count(fills.length), note: plural(fills.reduce((sum, { clients }) => sum + clients, 0), 'client waits', 'clients wait') }),
    tightest !== undefined &&
      h(Figure, {
        label: 'quota left',
        value: count(tightest.quota.remaining),
        note: `of ${count(tightest.quota.limit)}${tightest.quota.resetsAt === null ? '' : `, anew ${when(tightest.quota.resetsAt, now)}`}`,
        tone: tightest.quota.remaining * 5 < tightest.quota.limit ? 'tight' : '',
      }),
    space !== null && h(Figure, { label: 'stored', value: size(space.storedBytes), note: storedNote(space) }),
  ])
}

function storedNote({ limitBytes, storedBytes, diskFreeBytes, blobs }) {
  if (limitBytes !== null) return `${share(storedBytes, limitBytes)} of ${size(limitBytes)}`
  return diskFreeBytes === null ? plural(blobs, 'blob', 'blobs') : `${size(diskFreeBytes)} free on the disk`
}

export function Arrivals({ fills, speeds, now }) {
  const body =
    fills.length === 0
      ? h('p', { class: 'quiet' }, 'Nothing is being fetched.')
      : h('ul', { class: 'fills' }, fills.map((fill) => h(Arrival, { key: fill.digest, fill, speed: speeds.get(fill.digest), now })))
  return h(Panel, { id: 'arrivals', title: 'Arriving', aside: fills.length > 1 ? plural(fills.length, 'blob', 'blobs') : undefined }, body)
}

function Arrival({ fill, speed, now }) {
  const { repository, digest, bytes, clients, startedAt } = fill
  const isKnown = fill.size !== null
  const left = isKnown && speed > 0 ? `, ${span((fill.size - bytes) / speed)} left` : ''
  return h('li', {}, [
    h('div', { class: 'line' }, [
      h('span', { class: 'name' }, [h('b', {}, repository), h('code', {}, shortDigest(digest))]),
      h('span', { class: 'waiting' }, [h('i', { 'aria-hidden': true }, '●'.repeat(Math.min(clients, 8))), plural(clients, 'client', 'clients')]),
    ]),
    h('progress', { 'aria-label': `${repository}, blob ${shortDigest(digest)}`, ...(isKnown ? { max: fill.size, value: bytes } : {}) }),
    h('div', { class: 'line small' }, [
      h('span', {}, isKnown ? `${size(bytes)} of ${size(fill.size)}, ${share(bytes, fill.size)}` : `${size(bytes)} so far`),
      h('span', {}, speed === undefined ? `since ${span((now - Date.parse(startedAt)) / 1000)}` : `${size(Math.max(0, speed))}/s${left}`),
    ]),
  ])
}

const states = { up: 'answers', paused: 'wants to be left alone', failing: 'does not answer', open: 'failed too often: left alone' }

export function Upstreams({ upstreams, now }) {
  const body = upstreams.length === 0 ? h('p', { class: 'quiet' }, 'None was talked to yet.') : h('ul', { class: 'upstreams' }, upstreams.map((each) => h(Upstream, { key: `${each.name} ${each.account}`, upstream: each, now })))
  return h(Panel, { id: 'upstreams', title: 'Upstream' }, body)
}

function Upstream({ upstream, now }) {
  const { name, account, state, failingSince, staleAnswers, quota, pausedUntil, circuits } = upstream
  const open = circuits.filter(({ origin }) => !origin.endsWith(`//${name}`))
  return h('li', { class: state }, [
    h('div', { class: 'line' }, [
      h('span', { class: 'name' }, [h('b', {}, name), h('span', { class: 'small' }, account === null ? 'without an account' : `as ${account}`)]),
      h('span', { class: `state ${state}` }, [h('i', { 'aria-hidden': true }), states[state]]),
    ]),
    failingSince !== null &&
      h('p', { class: 'outage' }, `Since ${clock(failingSince, now)} (${span((now - Date.parse(failingSince)) / 1000)}): ${plural(staleAnswers, 'stale answer', 'stale answers')} served from here.`),
    pausedUntil !== null && h('p', { class: 'outage' }, `Asked again at ${clock(pausedUntil, now)}, ${when(pausedUntil, now)}.`),
    quota !== null && h(Quota, { quota, now }),
    open.map(({ origin, state: its }) => h('p', { class: 'small', key: origin }, `${origin}: ${its === 'open' ? 'left alone for some seconds' : 'being tried again'}`)),
  ])
}

function Quota({ quota, now }) {
  const { limit, remaining, resetsAt } = quota
  const isTight = remaining * 5 < limit
  return h('div', { class: isTight ? 'quota tight' : 'quota' }, [
    h(Bar, { parts: [['used', remaining, limit]] }),
    h('div', { class: 'line small' }, [h('span', {}, `${count(remaining)} of ${plural(limit, 'pull', 'pulls')} left`), resetsAt !== null && h('span', {}, `all anew at ${clock(resetsAt, now)}`)]),
  ])
}

/** For the eye only: the same is said in words. */
function Bar({ parts }) {
  return h('div', { class: 'bar', 'aria-hidden': true }, parts.map(([name, part, whole]) => h('i', { class: name, style: { width: `${whole > 0 ? Math.min(100, (100 * part) / whole) : 0}%` } })))
}

export function Space({ space, now }) {
  const { storedBytes, blobs, limitBytes, reservedBytes, diskFreeBytes, diskBytes, minFreeBytes, next } = space
  const whole = limitBytes ?? (diskFreeBytes === null ? null : storedBytes + diskFreeBytes)
  const rows = [
    ['stored', `${size(storedBytes)} in ${plural(blobs, 'blob', 'blobs')}`],
    limitBytes !== null && ['limit', size(limitBytes)],
    reservedBytes > 0 && ['arriving', size(reservedBytes)],
    diskFreeBytes !== null && ['disk', `${size(diskFreeBytes)} free${diskBytes === null ? '' : ` of ${size(diskBytes)}`}${minFreeBytes === null ? '' : `, ${size(minFreeBytes)} stay so`}`],
  ].filter(Boolean)
  return h(Panel, { id: 'space', title: 'Space' }, [
    whole !== null && h(Bar, { parts: [['stored', storedBytes, whole], ['reserved', reservedBytes, whole]] }),
    h('dl', { class: 'pairs' }, rows.map(([name, text]) => h('div', { key: name }, [h('dt', {}, name), h('dd', {}, text)]))),
    next.length > 0 && h('h3', {}, 'Goes first when room is needed'),
    next.length > 0 &&
      h('ol', { class: 'next' }, next.slice(0, 5).map(({ image, bytes, usedAt }) =>
        h('li', { key: image }, [h('span', { class: 'name' }, nameWithoutDigest(image)), h('span', { class: 'small' }, `${size(bytes)}, ${when(usedAt, now)}`)]))),
  ])
}

function nameWithoutDigest(image) {
  return image.replace(/@\w+:(.{12}).*$/, ' $1')
}

export function Incidents({ incidents, now }) {
  const body = incidents.length === 0 ? h('p', { class: 'quiet' }, 'Nothing went wrong since the start.') : h('ul', { class: 'incidents' }, incidents.slice(0, 8).map((each) => h(Incident, { key: `${each.firstAt} ${each.message}`, incident: each, now })))
  return h(Panel, { id: 'incidents', title: 'What went wrong' }, body)
}

function Incident({ incident, now }) {
  const { level, lastAt, times, meaning, advice, message, about } = incident
  const facts = Object.entries(about).map(([name, text]) => `${name}: ${text}`)
  return h('li', { class: level }, [
    h('p', { class: 'small' }, `${when(lastAt, now)}${times > 1 ? `, ${count(times)} times` : ''}${about.upstream === undefined ? '' : `, ${about.upstream}`}`),
    h('p', {}, meaning),
    advice !== null && h('p', { class: 'advice' }, advice),
    h('details', {}, [h('summary', {}, 'The line of the log'), h('p', { class: 'logline' }, [message, ...facts].join('\n'))]),
  ])
}
