// Writes X.509 certificates (RFC 5280) of one kind: elliptic keys, signed by ourselves. Node reads certificates and signs, but has
// no way to make one, and the openssl program is not everywhere.
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'

export interface CertificateOptions {
  /** The common name. */
  readonly subject: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  /** The common name of who signs, and its key. */
  readonly issuer: { readonly subject: string; readonly key: KeyObject }
  /** DNS names and IP addresses; `undefined` for an authority. */
  readonly hosts: readonly string[] | undefined
}

export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
}

/** In PEM. */
export function createCertificate(options: CertificateOptions): string {
  const { issuer } = options
  const toBeSigned = sequence(
    context(0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(0x40), randomBytes(15)])),
    ecdsaWithSha256,
    nameOf(issuer.subject),
    sequence(timeOf(options.notBefore), timeOf(options.notAfter)),
    nameOf(options.subject),
    options.publicKey.export({ type: 'spki', format: 'der' }),
    context(3, sequence(...extensionsOf(options))),
  )
  const signature = sign('sha256', toBeSigned, issuer.key)
  const certificate = sequence(toBeSigned, ecdsaWithSha256, bitString(signature))
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function extensionsOf({ hosts, publicKey, issuer }: CertificateOptions): Buffer[] {
  const keyIds = [
    extension('2.5.29.14', false, octets(keyIdOf(publicKey))),
    extension('2.5.29.35', false, sequence(tagged(0x80, keyIdOf(createPublicKey(issuer.key))))),
  ]
  if (hosts === undefined) {
    const isAuthority = sequence(tagged(0x01, Buffer.of(0xff)), integer(Buffer.of(0)))
    return [extension('2.5.29.19', true, isAuthority), extension('2.5.29.15', true, bits(1, 0x06)), ...keyIds]
  }
  return [
    extension('2.5.29.19', true, sequence()),
    extension('2.5.29.15', true, bits(7, 0x80)),
    extension('2.5.29.37', false, sequence(objectId('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', false, sequence(...hosts.map(alternativeName))),
    ...keyIds,
  ]
}

function alternativeName(host: string): Buffer {
  return isIP(host) === 0 ? tagged(0x82, Buffer.from(host, 'latin1')) : tagged(0x87, addressBytes(host))
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // URL writes every form of an address in one way, with the last 32 bits in hexadecimal, too.
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::')
  const groups = (text: string | undefined) =>
    text === undefined || text === '' ? [] : text.split(':').map((group) => parseInt(group, 16))
  const [before, after] = [groups(head), groups(tail)]
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
}

// DER (ITU-T X.690): a tag, a length, and the content.

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: readonly Buffer[]) => tagged(0x30, Buffer.concat(parts))
const context = (number: number, content: Buffer) => tagged(0xa0 + number, content)
const integer = (bytes: Buffer) => tagged(0x02, bytes)
const octets = (bytes: Buffer) => tagged(0x04, bytes)
const bitString = (bytes: Buffer) => tagged(0x03, Buffer.concat([Buffer.of(0), bytes]))
/** Flags in one byte, of which so many at the end are not used. */
const bits = (unused: number, flags: number) => tagged(0x03, Buffer.of(unused, flags))

function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const base128 = (value: number): number[] => (value < 0x80 ? [value] : [...base128(value >> 7).map((byte) => byte | 0x80), value & 0x7f])
  return tagged(0x06, Buffer.from([40 * first + second, ...rest.flatMap(base128)]))
}

const ecdsaWithSha256 = sequence(objectId('1.2.840.10045.4.3.2'))

function nameOf(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(objectId('2.5.4.3'), tagged(0x0c, Buffer.from(commonName)))))
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(objectId(id), ...(isCritical ? [tagged(0x01, Buffer.of(0xff))] : []), octets(value))
}

/** RFC 5280, section 4.1.2.5: two digits for the year until 2049. */
function timeOf(date: Date): Buffer {
  const text = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  return date.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(text.slice(2))) : tagged(0x18, Buffer.from(text))
}
