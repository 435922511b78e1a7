// The images that are here: searched, sorted, page by page; and what can be done to each.
import { Component, Fragment, h } from 'preact'
import { get, post } from './api.js'
import { plural, shortDigest, size, when } from './format.js'
import { Panel } from './panels.js'

const perPage = 25
const typingMs = 200
const refreshMs = 20_000

const orders = [
  ['used', 'last pull'],
  ['oldest', 'longest unused'],
  ['name', 'name'],
]

export class Images extends Component {
  state = { images: undefined, next: null, search: '', sort: 'used', open: undefined, detail: undefined, asking: undefined, busy: new Set(), failure: undefined }
  question = 0

  componentDidMount() {
    // Says itself what went wrong.
    void this.load()
    this.timer = setInterval(() => this.load(), refreshMs)
  }

  componentWillUnmount() {
    clearInterval(this.timer)
  }

  componentDidUpdate(before, { asking }) {
    if (this.state.asking !== undefined && this.state.asking !== asking) document.querySelector('.actions .sure')?.focus()
    if (before.arrived !== this.props.arrived || (this.props.isConnected && !before.isConnected)) this.loadSoon(1500)
  }

  loadSoon(ms) {
    clearTimeout(this.soon)
    this.soon = setTimeout(() => this.load(), ms)
  }

  /** As many as are shown already. */
  async load(more = 0) {
    this.question += 1
    const asked = this.question
    const { search, sort, images = [] } = this.state
    const limit = Math.min(500, Math.max(perPage, images.length) + more)
    try {
      const page = await get('images', { search, sort, limit })
      if (asked === this.question) this.setState({ images: page.images, next: page.nextOffset, failure: undefined })
    } catch (error) {
      this.setState({ failure: error.message })
    }
  }

  async act(action, image) {
    const { busy } = this.state
    this.setState({ busy: new Set(busy).add(image), asking: undefined })
    try {
      this.props.onSpeak(spoken[action](image, await this.ask(action, image)))
    } catch (error) {
      this.props.onSpeak(`${image}: ${error.message}`)
    }
    await this.load()
    // What had the focus may be gone.
    if (document.activeElement === document.body) document.querySelector('#images input')?.focus({ preventScroll: true })
    const left = new Set(this.state.busy)
    left.delete(image)
    this.setState({ busy: left })
  }

  /** A pin is taken away by the pattern that it was made with. */
  async ask(action, image) {
    if (action !== 'unpin') return post(action, image)
    const { pinnedBy = [] } = this.state.images.find((each) => each.image === image) ?? {}
    const outcomes = await Promise.all(pinnedBy.map((pattern) => post('unpin', pattern)))
    return { changed: outcomes.every(({ changed }) => changed), configured: outcomes[0]?.configured ?? [] }
  }

  async toggle(image) {
    if (this.state.open === image) return this.setState({ open: undefined })
    this.setState({ open: image, detail: undefined })
    let detail
    try {
      detail = await get('image', { image })
    } catch (error) {
      detail = { failure: error.message }
    }
    if (this.state.open === image) this.setState({ detail })
  }

  render({ now }, { images, next, search, sort, failure }) {
    return h(Panel, { id: 'images', title: 'Images' }, [
      h('form', { class: 'tools', role: 'search', onSubmit: (event) => event.preventDefault() }, [
        h('label', {}, [
          h('span', { class: 'spoken' }, 'Search by name or tag'),
          h('input', {
            type: 'search',
            placeholder: 'Search by name or tag',
            value: search,
            onInput: (event) => {
              this.setState({ search: event.target.value })
              this.loadSoon(typingMs)
            },
          }),
        ]),
        h('label', {}, [
          h('span', { class: 'small' }, 'by '),
          h(
            'select',
            {
              value: sort,
              onChange: (event) => {
                this.setState({ sort: event.target.value })
                this.loadSoon(0)
              },
            },
            orders.map(([value, text]) => h('option', { key: value, value }, text)),
          ),
        ]),
      ]),
      failure !== undefined && h('p', { class: 'outage', role: 'alert' }, failure),
      images?.length === 0 && h('p', { class: 'quiet' }, search === '' ? 'There is none yet.' : `No image here has “${search}” in its name.`),
      images !== undefined && images.length > 0 && this.table(images, now),
      next !== null && h('button', { type: 'button', class: 'more', onClick: () => this.load(100) }, 'Show more'),
    ])
  }

  table(images, now) {
    const heads = ['Image', 'Platforms', 'Size', 'Last pull', 'Actions']
    return h('table', {}, [
      h('thead', {}, h('tr', {}, heads.map((text) => h('th', { key: text, scope: 'col', class: text.toLowerCase().replace(' ', '-') }, text)))),
      h('tbody', {}, images.map((each) => h(Fragment, { key: each.image }, [this.row(each, now), this.state.open === each.image && this.detail(each)]))),
    ])
  }

  row(each, now) {
    const { image, repository, tag, digest, platforms, bytes, usedAt, pinnedBy, isOwn } = each
    return h('tr', { class: this.state.busy.has(image) ? 'busy' : '', 'data-image': image }, [
      h('th', { scope: 'row', class: 'image' }, [
        h('button', { type: 'button', class: 'unfold', 'aria-label': image, 'aria-expanded': this.state.open === image, onClick: () => this.toggle(image) }, [
          h('span', { class: 'repository' }, repository),
          tag === null ? h('code', { class: 'untagged' }, ` ${shortDigest(digest)}`) : h('span', { class: 'tag' }, tag),
        ]),
        pinnedBy.length > 0 && h('span', { class: 'pinned', title: `pinned by ${pinnedBy.join(', ')}` }, 'pinned'),
        isOwn && h('span', { class: 'pinned' }, 'pushed here'),
      ]),
      h('td', { class: 'platforms' }, platformsText(platforms)),
      h('td', { class: 'size' }, size(bytes)),
      h('td', { class: 'last-pull' }, h('time', { dateTime: usedAt, title: new Date(usedAt).toLocaleString() }, when(usedAt, now))),
      h('td', { class: 'actions', onKeyDown: (event) => event.key === 'Escape' && this.setState({ asking: undefined }) }, isOwn ? null : this.actions(each)),
    ])
  }

  actions({ image, tag, bytes, pinnedBy }) {
    const isPinned = pinnedBy.length > 0
    const button = (text, act, more = {}) => h('button', { type: 'button', disabled: this.state.busy.has(image), 'aria-label': `${text} ${image}`, onClick: act, ...more }, text)
    if (this.state.asking === image) {
      return [
        button(`Evict ${size(bytes)}`, () => this.act('evict', image), { class: 'sure' }),
        button('Keep', () => this.setState({ asking: undefined })),
      ]
    }
    return [
      button(isPinned ? 'Unpin' : 'Pin', () => this.act(isPinned ? 'unpin' : 'pin', image)),
      tag !== null && button('Refresh', () => this.act('refresh', image)),
      button('Evict', () => this.setState({ asking: image })),
    ]
  }

  detail({ digest }) {
    const { detail } = this.state
    return h('tr', { class: 'detail' }, h('td', { colSpan: 5 }, detail === undefined ? '…' : detail.failure !== undefined ? detail.failure : [
      h('p', {}, [h('code', {}, digest), ` ${detail.mediaType}`]),
      detail.otherTags.length > 0 && h('p', {}, `Also tagged ${detail.otherTags.join(', ')}.`),
      detail.pinnedBy.length > 0 && h('p', {}, `Pinned by ${detail.pinnedBy.join(', ')}.`),
      detail.manifests.length > 0 &&
        h('ul', { class: 'parts' }, detail.manifests.map((each) =>
          h('li', { key: each.digest, class: each.isHere ? '' : 'absent' }, [h('b', {}, each.platform), ` ${each.isHere ? size(each.bytes) : 'not here'} `, h('code', {}, shortDigest(each.digest))]))),
      detail.layers.length > 0 && h('p', {}, `${plural(detail.layers.length, 'layer', 'layers')}: ${detail.layers.map((layer) => size(layer.size)).join(', ')}`),
    ]))
  }
}

function platformsText(platforms) {
  const shown = platforms.slice(0, 3).map((each) => each.replace(/^linux\//, ''))
  return platforms.length > shown.length ? `${shown.join(', ')} and ${platforms.length - shown.length} more` : shown.join(', ')
}

const spoken = {
  pin: (image) => `${image} is pinned: it is never evicted.`,
  unpin: (image, { changed, configured }) => (changed ? `${image} is not pinned any more.` : `${image} stays pinned by the configuration: ${configured.join(', ')}.`),
  refresh: (image, { outcome }) =>
    ({ unchanged: `${image} is up to date.`, moved: `${image} has moved; the new one is here.`, new: `${image} is here now.`, absent: `Upstream has no ${image} any more.` })[outcome],
  evict: (image, { freedBytes, keptFor }) => (keptFor.length > 0 ? `${image} is gone; its content stays for ${keptFor.join(', ')}.` : `${image} is gone, ${size(freedBytes)} freed.`),
}
