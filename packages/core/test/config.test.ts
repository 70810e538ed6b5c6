import { describe, expect, it } from 'vitest';
import { readSettings } from '../src/config/config.ts';

describe('CORS_ORIGINS', () => {
  it('accepts origins as browsers write them; none by default', () => {
    expect(readSettings({}).corsOrigins).toEqual([]);
    const two = readSettings({ CORS_ORIGINS: 'https://app.example, http://localhost:3000' });
    expect(two.corsOrigins).toEqual(['https://app.example', 'http://localhost:3000']);
  });

  it.each([
    '*',
    'null',
    'app.example',
    'https://app.example/',
    'https://APP.example',
    'https://app.example:443',
    'ftp://app.example',
    'https://*.example',
    'https://a.example,',
    'https://user@app.example',
  ])('refuses %s with an example of what is allowed', (text) => {
    expect(() => readSettings({ CORS_ORIGINS: text })).toThrow(
      /CORS_ORIGINS: .* is no origin: .*https:\/\/app\.example/,
    );
  });
});

describe('PUBLIC_URL', () => {
  it.each([
    ['https://tally.example', 'https://tally.example', ''],
    ['https://tally.example/', 'https://tally.example', ''],
    ['https://host.example:8443/tally/', 'https://host.example:8443', '/tally'],
    ['http://HOST.example/a/b', 'http://host.example', '/a/b'],
  ])('splits %s into origin and path', (text, origin, path) => {
    expect(readSettings({ PUBLIC_URL: text }).publicUrl).toEqual({ origin, path });
  });

  it.each([
    'tally.example',
    'ftp://tally.example',
    'https://a.example/?x',
    'https://a.example/#x',
    'https://u:p@a.example/',
    'https://a.example//b',
    'https://a.example/"x',
    'https://a.example/%20',
  ])('refuses %s', (text) => {
    expect(() => readSettings({ PUBLIC_URL: text })).toThrow('PUBLIC_URL: must be');
  });
});
