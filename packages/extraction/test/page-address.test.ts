/** Tests which URLs may be opened, judged by the URL alone. */
import { TallyError } from '@tally/core';
import { describe, expect, it } from 'vitest';
import { type AddressPolicy, addressRefusals, checkPageAddress, isPublicAddress } from '../src/page-address.ts';

const nothingExempt: AddressPolicy = { allowedHosts: new Set() };

/** The message with which `url` is refused, or undefined. */
function refusal(url: string, policy = nothingExempt): string | undefined {
  try {
    checkPageAddress(url, policy);
    return undefined;
  } catch (error) {
    if (!(error instanceof TallyError)) throw error;
    expect(error.code).toBe('address_refused');
    return error.message;
  }
}

const notAUrl = ['', 'shop.test', '//shop.test/', '/p/1', 'http://', 'http://exa­mple.com.127.0.0.1/', 'http://[::1/'];
const otherSchemes = [
  'file:///etc/passwd',
  'ftp://shop.test/',
  'javascript:alert(1)',
  'data:text/html,x',
  'blob:http://localhost/1',
  'gopher://127.0.0.1:6379/_FLUSHALL',
  'chrome://version/',
  'view-source:http://shop.test/',
  'ws://shop.test/',
  'about:blank',
];
const privateLiterals = [
  '127.0.0.1',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '100.100.100.200',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '168.63.129.16',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '0.0.0.0',
  '[::]',
  '[::1]',
  '[fe80::1]',
  '[fec0::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[ff02::1]',
  '[100::1]',
  '[2001::1]',
  '[2001:2::1]',
  '[2001:10::1]',
  '[2001:20::1]',
  '[2001:db8::1]',
  '[3fff::1]',
  '[4000::1]',
  '[64:ff9b:1::1]',
];
const encodedPrivateLiterals = [
  '0x7f000001',
  '0177.0.0.1',
  '2130706433',
  '127.1',
  '169.254.43518',
  '0300.0250.0.1',
  '127。0。0。1',
  '①②⑦.0.0.1',
  '%31%32%37.0.0.1',
  '127.0.0.1.',
  '[::ffff:127.0.0.1]',
  '[::ffff:a9fe:a9fe]',
  '[::127.0.0.1]',
  '[::7f00:1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '[2002:a00:1::1]',
  '[0:0:0:0:0:ffff:7f00:1]',
];
const privateNames = [
  'localhost',
  'LOCALHOST.',
  'a.localhost',
  'redis',
  'printer.local',
  'metadata.google.internal',
  'router.home.arpa',
  'nas.lan',
  'wiki.corp',
  'abc.onion',
  '1.0.0.127.in-addr.arpa',
  'shop..test',
  `${'a'.repeat(64)}.test`,
  `${'a.'.repeat(130)}test`,
];
const publicHosts = [
  'shop.test',
  'shop.test.',
  'bücher.test',
  'xn--bcher-kva.test',
  'localhost.shop.test',
  '11.0.0.1',
  '172.15.255.255',
  '172.32.0.1',
  '100.63.255.255',
  '100.128.0.1',
  '[2606:4700::6810:84e5]',
  '[::ffff:104.20.23.154]',
  '[64:ff9b::808:808]',
  '[2002:808:808::1]',
];

describe('a refused address', () => {
  it.each(notAUrl)('is no complete URL: %s', (url) => expect(refusal(url)).toBe(addressRefusals.url));

  it('has more than 2,048 characters', () => {
    const start = 'https://shop.test/';
    expect(refusal(start.padEnd(2_048, 'a'))).toBeUndefined();
    expect(refusal(start.padEnd(2_049, 'a'))).toBe(addressRefusals.url);
  });

  it.each(otherSchemes)('has another scheme: %s', (url) => expect(refusal(url)).toBe(addressRefusals.scheme));

  it.each([
    'http://user:pass@shop.test/',
    'http://user@shop.test/',
    'http://shop.test@127.0.0.1/',
    'http://:p@shop.test/',
  ])('has credentials: %s', (url) => expect(refusal(url)).toBe(addressRefusals.credentials));

  it.each(['http://shop.test:6379/', 'http://shop.test:22/', 'http://127.0.0.1:5432/', 'https://shop.test:0/'])(
    'has another port: %s',
    (url) => expect(refusal(url)).toBe(addressRefusals.port),
  );

  it.each([...privateLiterals, ...encodedPrivateLiterals])('is not publicly routable: %s', (host) => {
    for (const url of [`http://${host}/`, `https://${host}:8443/p?q#f`])
      expect(refusal(url)).toBe(addressRefusals.host);
  });

  it.each(privateNames)('has a private name: %s', (host) => {
    expect(refusal(`http://${host}/`)).toBe(addressRefusals.host);
  });

  it('may lack its slashes', () => {
    expect(refusal('http:127.0.0.1')).toBe(addressRefusals.host);
    expect(refusal('http:\\\\127.0.0.1\\')).toBe(addressRefusals.host);
  });

  it('gets a message without any address', () => {
    for (const words of Object.values(addressRefusals)) expect(words).not.toMatch(/\d+\.\d+|::|localhost/);
  });
});

describe('an allowed address', () => {
  it.each(publicHosts)('has a public host: %s', (host) => {
    for (const url of [`http://${host}/`, `https://${host}/p`, `http://${host}:8080/`, `https://${host}:8443/`])
      expect(refusal(url), url).toBeUndefined();
  });

  it('may contain a private address in query or fragment', () => {
    expect(refusal('https://shop.test/p?next=http://127.0.0.1/')).toBeUndefined();
    expect(refusal('https://shop.test/p#@127.0.0.1')).toBeUndefined();
  });

  it('may be an exempt host, but only with its exempt port', () => {
    const policy = { allowedHosts: new Set(['127.0.0.1:4010', 'shop:80', '[::1]:4010']) };
    for (const url of ['http://127.0.0.1:4010/', 'http://2130706433:4010/', 'http://shop/', 'http://[::1]:4010/'])
      expect(refusal(url, policy), url).toBeUndefined();
    expect(refusal('http://127.0.0.1:4011/', policy)).toBe(addressRefusals.port);
    expect(refusal('https://shop/', policy)).toBe(addressRefusals.host);
    expect(refusal('ftp://127.0.0.1:4010/', policy)).toBe(addressRefusals.scheme);
    expect(refusal('http://user:pass@127.0.0.1:4010/', policy)).toBe(addressRefusals.credentials);
  });
});

describe('isPublicAddress', () => {
  it('follows the same rules as URLs', () => {
    const bare = (host: string) => host.replace(/^\[|\]$/g, '');
    for (const host of privateLiterals) expect(isPublicAddress(bare(host)), host).toBe(false);
    for (const ip of ['8.8.8.8', '2606:4700::1', '::ffff:104.20.23.154']) expect(isPublicAddress(ip), ip).toBe(true);
    for (const invalid of ['', 'shop.test', 'fe80::1%eth0', '::ffff:0:7f00:1'])
      expect(isPublicAddress(invalid), invalid).toBe(false);
  });
});
