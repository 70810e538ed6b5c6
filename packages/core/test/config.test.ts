import { describe, expect, it } from 'vitest';
import { readSettings } from '../src/config.ts';

describe('PUBLIC_URL', () => {
  it.each([
    ['https://tally.example', 'https://tally.example', ''],
    ['https://tally.example/', 'https://tally.example', ''],
    ['https://host.example:8443/tally/', 'https://host.example:8443', '/tally'],
    ['http://HOST.example/a/b', 'http://host.example', '/a/b'],
  ])('%s is an origin and a path', (text, origin, path) => {
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
  ])('%s is refused', (text) => {
    expect(() => readSettings({ PUBLIC_URL: text })).toThrow('PUBLIC_URL: must be');
  });
});
