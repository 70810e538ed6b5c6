/** Decides which URLs a tenant may have opened: public http(s) addresses only. */
import { TallyError } from '@tally/core';
import ipaddr from 'ipaddr.js';

/** Exemptions from the rules for public addresses: `host:port` as in `EXTRACTION_ALLOW_HOSTS`, lower case. */
export type AddressPolicy = { allowedHosts: ReadonlySet<string> };

/** UTF-16 units. */
export const maxUrlCharacters = 2_048;
/** DNS's own limits. */
const maxHostChars = 253;
const maxLabelChars = 63;
const allowedPorts: ReadonlySet<number> = new Set([80, 443, 8080, 8443]);

/** Suffixes of private networks, by standard (RFC 6761, 6762, 7686, 8375, 9476) or by convention. */
const privateSuffixes: ReadonlySet<string> = new Set(
  'localhost local localdomain internal intranet private corp home lan arpa onion alt invalid'.split(' '),
);

/** Blocks that ipaddr.js classifies as public but that are not part of the public web. */
const notPublic = {
  ipv4: [
    // Deprecated 6to4 relays (RFC 7526).
    '192.88.99.0/24',
    // Azure's metadata and DNS service, at the same address in every Azure network.
    '168.63.129.16/32',
  ].map((cidr) => ipaddr.IPv4.parseCIDR(cidr)),
  ipv6: [
    // Teredo, benchmarking, ORCHID and other IETF protocol assignments.
    '2001::/23',
    '2001:db8::/32',
    '3fff::/20',
    // AS112 and 6bone, independent of the library's classification.
    '2620:4f:8000::/48',
    '3ffe::/16',
  ].map((cidr) => ipaddr.IPv6.parseCIDR(cidr)),
};
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');
/** IPv6 prefixes that embed an IPv4 address, and its byte offset (RFC 4291, 6052, 3056). */
const ipv4Wrappers = (
  [
    ['::/96', 12],
    ['64:ff9b::/96', 12],
    ['2002::/16', 2],
  ] as const
).map(([cidr, at]) => ({ prefix: ipaddr.IPv6.parseCIDR(cidr), at }));

/** Messages for tenants. They state what is allowed and never reveal what a hostname resolved to. */
export const addressRefusals = {
  url: `Give a complete http:// or https:// address of at most ${maxUrlCharacters} characters`,
  scheme: 'Only http:// and https:// addresses are read',
  credentials: 'Addresses with a user name or password are not read',
  port: `Only the ports ${[...allowedPorts].join(', ')} are read`,
  host: 'Only pages at public internet addresses are read',
} as const;

const refuse = (rule: keyof typeof addressRefusals): TallyError =>
  new TallyError('address_refused', addressRefusals[rule]);

/**
 * Refuses a URL that is not a public page by its text alone. The address it resolves to is checked when it is opened.
 * @throws TallyError `address_refused`, with a message for the tenant
 */
export function checkPageAddress(url: string, policy: AddressPolicy): void {
  if (url.length > maxUrlCharacters || !URL.canParse(url)) throw refuse('url');
  const { protocol, username, password, hostname, port } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') throw refuse('scheme');
  if (username !== '' || password !== '') throw refuse('credentials');
  checkHostAndPort(hostname, port === '' ? defaultPort(protocol) : Number(port), policy);
}

const defaultPort = (protocol: 'http:' | 'https:') => (protocol === 'http:' ? 80 : 443);

/**
 * The part of `checkPageAddress` that a proxy can repeat, because it sees only host and port.
 * @param hostname as `URL` writes it: lower case, IPv6 in brackets @throws TallyError `address_refused`
 */
export function checkHostAndPort(hostname: string, port: number, policy: AddressPolicy): void {
  if (isExempt(hostname, port, policy)) return;
  if (!allowedPorts.has(port)) throw refuse('port');
  const host = withoutRootDot(hostname).replace(/^\[(.*)\]$/, '$1');
  if (ipaddr.isValid(host) ? !isPublicAddress(host) : !isPublicName(host)) throw refuse('host');
}

/** Whether the operator allowed exactly this host and port, regardless of its address. */
export function isExempt(hostname: string, port: number, policy: AddressPolicy): boolean {
  return policy.allowedHosts.has(`${withoutRootDot(hostname)}:${port}`);
}

const withoutRootDot = (hostname: string) => hostname.replace(/\.$/, '');

function isPublicName(host: string): boolean {
  const labels = host.split('.');
  if (host.length > maxHostChars || labels.length < 2) return false;
  if (labels.some((label) => label === '' || label.length > maxLabelChars)) return false;
  return !privateSuffixes.has(labels.at(-1) ?? '');
}

/** Whether `ip` is publicly routable: global unicast; for an embedded IPv4 address, that address decides. */
export function isPublicAddress(ip: string): boolean {
  if (!ipaddr.isValid(ip)) return false;
  const address = unwrap(ipaddr.process(ip));
  if (address instanceof ipaddr.IPv4)
    return address.range() === 'unicast' && !notPublic.ipv4.some((block) => address.match(block));
  return address.match(globalUnicast) && address.range() === 'unicast' && !notPublic.ipv6.some((b) => address.match(b));
}

function unwrap(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  if (address instanceof ipaddr.IPv4) return address;
  const wrapper = ipv4Wrappers.find(({ prefix }) => address.match(prefix));
  if (wrapper === undefined) return address;
  return new ipaddr.IPv4(address.toByteArray().slice(wrapper.at, wrapper.at + 4));
}
