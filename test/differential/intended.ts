// Where this registry answers otherwise than distribution 2.8 on purpose, and why. Each entry must be met by a step, and every
// difference must be met by an entry.
import type { Difference } from './step.ts'

export interface Intended {
  readonly reason: string
  /** Names of the steps; without them, all. */
  readonly steps?: RegExp
  /** By field, `theirs → ours`, with `-` for what is not there. */
  readonly exact?: Readonly<Record<string, string>>
  /** Further fields that follow from it, whatever they say. */
  readonly also?: RegExp
}

/** An error in place of another answer has another type, length and body. */
const ofAnError = /^(body|codes|header content-(type|length))$/
const everything = /./

export const intended: readonly Intended[] = [
  {
    reason: 'RFC 8259 gives application/json no charset; registry:3 sends none either',
    exact: { 'header content-type': 'application/json; charset=utf-8 → application/json' },
  },
  {
    reason:
      'a method that a route does not take is answered in the error format of the distribution-spec ("Error Codes"), which clients can show',
    steps: /^(base: refused|read-only|lists: HEAD)/,
    exact: {
      codes: '- → UNSUPPORTED',
      body: 'Method not allowed → -',
      'header content-type': 'text/plain; charset=utf-8 → application/json',
    },
    also: /^header content-length$/,
  },
  {
    reason: 'details of errors are shown as in registry:3, so a HEAD tells of another length',
    steps: /HEAD of (one that is not there|an unknown tag|a deleted blob)$/,
    also: /^header content-length$/,
  },
  // Names, tags and digests
  {
    reason:
      'distribution-spec, "Error Codes": a name or a digest that is none, and a tag for a push, is told as such, not as a page that is not there',
    steps: /^base: (a blob by a word|a name )|PUT by a tag that is none$/,
    exact: { status: '404 → 400' },
    also: ofAnError,
  },
  {
    reason:
      'distribution-spec, "Error Codes": what is asked for by a tag that none can be is an unknown manifest, not a page that is not there',
    steps: /^base: a tag /,
    also: ofAnError,
  },
  {
    reason: 'distribution leaks its own troubles as UNKNOWN 500 where the client asked for what cannot be',
    steps: /too short$|of 25[67] characters|too long$/,
    exact: { status: '500 → 400' },
    also: /^codes$/,
  },
  {
    reason: 'what is below no registry has no Docker-Distribution-Api-Version in registry:3 either',
    steps: /^base: /,
    exact: { 'header docker-distribution-api-version': 'registry/2.0 → -' },
  },
  {
    reason: 'a redirection needs no page for people',
    steps: /^base: the version check without its slash$/,
    also: ofAnError,
  },
  {
    reason: 'RFC 9110, section 8.6: a HEAD may tell the length that GET would have',
    steps: /^base: HEAD of the probe$/,
    exact: { 'header content-length': '- → 0' },
  },
  {
    reason: 'RFC 9110, section 15.5.6: what a route does not take is 405 with Allow, also where distribution first looks for the upload',
    steps: /^(base: refused \w+ \S+uploads|read-only: (continue|finish|give up) an upload)/,
    exact: { status: '404 → 405' },
    also: /^(codes|header allow)$/,
  },
  {
    reason: 'Allow names what would work: nothing, where the only method that begins uploads is switched off',
    steps: /^read-only: (begin an upload|a mount)$/,
    exact: { 'header allow': 'GET, HEAD → ' },
  },
  // Lists
  {
    reason: 'distribution-spec, "Listing Tags": in lexical order, in pages by n and last with Link; a wrong n is refused as in registry:3',
    steps: /^lists: (tags|catalog\?n=(-1|many))/,
    exact: { status: '200 → 400', codes: '- → PAGINATION_NUMBER_INVALID' },
    also: /^(body|header (link|content-length))$/,
  },
  {
    reason: 'distribution-spec, "Listing Tags": tags is a list, also when it is empty; registry:3 agrees',
    steps: /^deletes: tags of a repository that lost them all$/,
    exact: { body: '{"name":"deletes/app","tags":null} → {"name":"deletes/app","tags":[]}' },
    also: /^header content-length$/,
  },
  {
    reason: 'uploads/whole is there, because its blob was pushed in a single POST',
    steps: /^deletes: the catalog$/,
    also: /^(body|header content-length)$/,
  },
  // Blobs
  {
    reason: 'RFC 9110, section 15.5.17: distribution announces the length of the blob with a 416, and breaks the answer off',
    steps: /^blobs: (GET|HEAD) bytes=(10-|5-3)/,
    exact: { codes: '- → RANGE_INVALID' },
    also: /^(ending|body|header [\w-]+)$/,
  },
  {
    reason: 'RFC 9110, section 14.2: a Range that is malformed or of an unknown unit is ignored; distribution breaks a 416 off',
    steps: /^blobs: GET (bytes=a-b|bits=0-4|bytes)$/,
    exact: { status: '416 → 200' },
    also: everything,
  },
  {
    reason: 'RFC 9110, section 14.1.2: a suffix of no bytes cannot be satisfied; distribution answers with an impossible Content-Range',
    steps: /^blobs: GET bytes=-0$/,
    exact: { status: '206 → 416', codes: '- → RANGE_INVALID', 'header content-range': 'bytes 10-9/10 → bytes */10' },
    also: everything,
  },
  {
    reason:
      'RFC 9110, section 14.2: a server may ignore Range; no client of registries asks for several, and multipart answers cost more than the blob',
    steps: /^blobs: GET bytes=0-1,/,
    exact: { status: '206 → 200' },
    also: /^(body|header content-(type|length))$/,
  },
  {
    reason: 'clients that always ask by range must get the empty blob, too',
    steps: /^blobs: a range of the empty one$/,
    exact: { status: '416 → 200' },
    also: /^(body|header (content-(range|type|length)|accept-ranges))$/,
  },
  {
    reason: 'a 304 may carry what the 200 would: Accept-Ranges is left on it',
    steps: /^blobs: .* if /,
    exact: { 'header accept-ranges': '- → bytes' },
  },
  {
    reason: 'what manifests allow, blobs allow: clients send the digest without quotes, too',
    steps: /^blobs: GET if the bare digest$/,
    exact: { status: '200 → 304' },
    also: /^(body|header content-(type|length))$/,
  },
  {
    reason: 'the bytes of a digest never change, so If-Match is not looked at; distribution breaks its 412 off',
    steps: /^blobs: GET if If-Match of another$/,
    exact: { status: '412 → 200' },
    also: /^(ending|body|header accept-ranges)$/,
  },
  // Uploads
  {
    reason: 'the type of a chunk says nothing about its bytes; distribution answers 500',
    steps: /^uploads: another type: part$/,
    exact: { status: '500 → 202' },
    also: everything,
  },
  {
    reason: 'distribution-spec, "Pushing a blob in chunks": a chunk out of order is 416, and the upload stays; 2.8 takes it as the next',
    steps: /^uploads: out of order: part/,
    exact: { status: '202 → 416', codes: '- → RANGE_INVALID', 'header range': '0-99 → 0-0' },
    also: /^(body|header content-(type|length))$/,
  },
  {
    reason:
      'distribution-spec, "Pushing a blob in chunks": an address that is out of date is 416 and tells the new one; 2.8 cancels the upload',
    steps: /^uploads: old address: the same/,
    exact: { status: '404 → 416', codes: 'BLOB_UPLOAD_INVALID → RANGE_INVALID', 'header range': '- → 0-99' },
    also: /^header (location|docker-upload-uuid)$/,
  },
  {
    reason:
      'distribution-spec, "Error Codes": an upload that is not there is BLOB_UPLOAD_UNKNOWN; an address needs no signed state, as in registry:3',
    steps: /unknown one$|a name that is none$|status of an upload$/,
    exact: { codes: 'BLOB_UPLOAD_INVALID → BLOB_UPLOAD_UNKNOWN' },
  },
  {
    reason: 'a POST that is redirected becomes a GET with many clients, so that the slash may be left out',
    steps: /^uploads: begin without the slash$/,
    exact: { status: '301 → 202' },
    also: /^header (location|docker-upload-uuid|range)$/,
  },
  {
    reason: 'distribution-spec, "POST then PUT" and "Single POST": the whole blob may come with the POST',
    steps: /^uploads: whole in the POST$/,
    exact: { status: '202 → 201' },
    also: /^header (location|docker-upload-uuid|docker-content-digest|range)$/,
  },
  {
    reason: 'distribution-spec, "Mounting a blob": from may be left out',
    steps: /^uploads: mount without from$/,
    exact: { status: '202 → 201' },
    also: /^header (location|docker-upload-uuid|docker-content-digest|range)$/,
  },
  // Manifests
  {
    reason:
      'a manifest is served as it is kept, whatever Accept says: 2.8 hides OCI manifests, and rewrites Docker ones as schema 1 under another digest',
    steps: /^manifests: GET (OCI|Docker) \w+ by tag, accepting (nothing|anything)$/,
    exact: { status: '404 → 200', codes: 'MANIFEST_UNKNOWN → -' },
    also: /^(body|header (content-type|content-length|docker-content-digest|etag))$/,
  },
  {
    reason: 'RFC 9110, section 15.4.5: a 304 carries the ETag of the 200',
    steps: /^manifests: GET .*if /,
    also: /^header (etag|docker-content-digest)$/,
  },
  {
    reason: 'RFC 9110, section 13.1.2: If-None-Match is a list or a star',
    steps: /^manifests: GET if (a list with it|a star)$/,
    exact: { status: '200 → 304' },
    also: /^(body|header content-(type|length))$/,
  },
  {
    reason: 'each trouble is told once, under the code of the distribution-spec',
    steps: /^manifests: PUT with(out a config| a layer of no digest| a foreign layer)$/,
    also: /^codes$/,
  },
  {
    reason:
      'image-spec, "Non-Distributable Layers": they lie elsewhere by definition, so an image with them is taken where validation.manifests.urls has no rules; distribution leaks a 500',
    steps: /^manifests: an OCI image with a layer elsewhere: /,
    exact: { status: '500 → 201' },
    also: everything,
  },
  {
    reason: 'a manifest of an unknown schema is the fault of who pushes it',
    steps: /^manifests: PUT of another schema$/,
    exact: { status: '500 → 400', codes: 'UNKNOWN → MANIFEST_INVALID' },
  },
  {
    reason: 'distribution-spec, "Pushing Manifests": a manifest over the limit is 413',
    steps: /^manifests: PUT larger than 4 MiB$/,
    exact: { status: '400 → 413' },
  },
  {
    reason: 'a blob is no manifest of the repository; distribution finds its bytes and fails on them',
    steps: /^manifests: a blob is no manifest$/,
    exact: { status: '500 → 404', codes: 'UNKNOWN → MANIFEST_UNKNOWN' },
  },
  {
    reason: 'distribution-spec, "Deleting tags": DELETE takes a tag; 2.8 only takes digests',
    steps: /^deletes: an unknown tag$/,
    exact: { status: '400 → 404', codes: 'DIGEST_INVALID → MANIFEST_UNKNOWN' },
  },
]

/** The entry that allows this difference of this step. */
export function reasonFor(step: string, { field, theirs, ours }: Difference): Intended | undefined {
  const change = `${theirs ?? '-'} → ${ours ?? '-'}`
  return intended.find(
    ({ steps, exact, also }) =>
      (steps?.test(step) ?? true) && (exact?.[field] === change || (exact?.[field] === undefined && also?.test(field) === true)),
  )
}
