/** Reads the JSON of the wild: entities, comments, CDATA, control characters, trailing commas and blocks that were cut off. */
import { load } from 'cheerio';
import { jsonrepair } from 'jsonrepair';
import { asHtml } from '../page/dom.ts';

/** The value that `text` holds, or undefined where even repair gives none. */
export function parseTolerant(text: string): unknown {
  const bare = withoutWrapping(text);
  if (bare === '') return undefined;
  for (const attempt of [bare, withoutEntities(bare)]) {
    // JSON has no raw control characters inside strings, and any space will do outside of them.
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

/** Repair takes time that grows faster than the text. */
const maxRepairCharacters = 50_000;

function repair(text: string): unknown {
  if (text.length > maxRepairCharacters) return undefined;
  try {
    return JSON.parse(jsonrepair(text)) as unknown;
  } catch {
    return undefined;
  }
}

/** Without byte order mark, CDATA, HTML comments around the JSON, and semicolons behind it. */
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

/** Decodes entities without taking tags for tags. */
const decodeEntities = (text: string): string => load(text.replaceAll('<', '&lt;'), asHtml).text();

/** A block that was cut off, without its last, incomplete member: half a number is not a price. */
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

/** Longer texts are whole articles: a description is cut there. */
const maxTextCharacters = 20_000;

/** The text of a value that may hold entities or tags, which titles from shop systems do. */
export function plainText(value: string): string {
  let text = value.slice(0, maxTextCharacters);
  // Twice, because some shops encode what was encoded already.
  for (let i = 0; i < 2 && /&#?\w+;|<\/?[a-z]/i.test(text); i++) {
    text = decodeEntities(text.replace(/<(?:br|\/p|\/li|\/div)\b[^<>]*>/gi, ' ').replace(/<\/?[a-z][^<>]*>/gi, ''));
  }
  // What entities made of tags goes too.
  return text
    .replace(/<\/?[a-z][^<>]*>/gi, '')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim();
}
