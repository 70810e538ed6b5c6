/** Parses malformed JSON: with entities, comments, CDATA, control characters, trailing commas, or cut off. */
import { load } from 'cheerio';
import { jsonrepair } from 'jsonrepair';
import { asHtml } from '../page/dom.ts';

/** The parsed value, or undefined where even repair fails. */
export function parseTolerant(text: string): unknown {
  const bare = withoutWrapping(text);
  if (bare === '') return undefined;
  for (const attempt of [bare, withoutEntities(bare)]) {
    // JSON forbids raw control characters inside strings, and outside of them any white space is equivalent.
    const value = parse(attempt) ?? parse(attempt.replace(/[\p{Cc}\u2028\u2029]+/gu, ' '));
    if (value !== undefined) return value;
  }
  const whole = withoutEntities(bare);
  return repair(/[}\]]$/.test(whole) ? whole : upToLastWhole(whole));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Limit, because the time for repair grows faster than linearly. */
const maxRepairCharacters = 50_000;

function repair(text: string): unknown {
  if (text.length > maxRepairCharacters) return undefined;
  try {
    return JSON.parse(jsonrepair(text)) as unknown;
  } catch {
    return undefined;
  }
}

/** Removes a byte order mark, CDATA, HTML comments around the JSON, and trailing semicolons. */
function withoutWrapping(text: string): string {
  let bare = text
    .replace(/(?:\/\/|\/\*)?\s{0,9}(?:<!\[CDATA\[|\]\]>)\s{0,9}(?:\*\/)?/g, '')
    .trim()
    .replace(/^(?:\/\/\s*)?<!--/, '')
    .replace(/(?:\/\/\s{0,9})?-->$/, '')
    .trim();
  while (bare.endsWith(';')) bare = bare.slice(0, -1).trimEnd();
  return bare;
}

const withoutEntities = (text: string): string =>
  /^[[{]\s*&(?:quot|#34|#x22);/i.test(text) ? decodeEntities(text) : text;

/** Decodes entities and leaves tags as text. */
const decodeEntities = (text: string): string => load(text.replaceAll('<', '&lt;'), asHtml).text();

/** Removes the incomplete last member of a cut-off block, because a truncated number is not a price. */
function upToLastWhole(text: string): string {
  let inString = false;
  let end = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (inString && character === '\\') i++;
    else if (character === '"') inString = !inString;
    else if (!inString && character === ',') end = i;
    else if (!inString && (character === '{' || character === '[')) end = i + 1;
  }
  return text.slice(0, end);
}

/** Longer texts are whole articles; a description is cut at this length. */
const maxTextCharacters = 20_000;

/** A value's text without the entities and tags that shop systems put into titles. */
export function plainText(value: string): string {
  let text = value.slice(0, maxTextCharacters);
  // Twice, because some shops encode entities twice.
  for (let i = 0; i < 2 && /&#?\w+;|<\/?[a-z]/i.test(text); i++) {
    text = decodeEntities(text.replace(/<(?:br|\/p|\/li|\/div)\b[^<>]*>/gi, ' ').replace(/<\/?[a-z][^<>]*>/gi, ''));
  }
  // Removes tags that resulted from decoded entities.
  return text
    .replace(/<\/?[a-z][^<>]*>/gi, '')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
}
