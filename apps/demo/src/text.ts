/** Text in a terminal's columns, also where letters are wide, combining or written from right to left. */

const noBreakSpace = '\u00a0';

const combining = /[\p{Mn}\p{Me}\p{Cf}]/gu;
const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff00-\uff60]/gu;
const rightToLeft = /[\p{Script=Arabic}\p{Script=Hebrew}]/u;

export function widthOf(text: string): number {
  const visible = text.replace(combining, '');
  return [...visible].length + (visible.match(wide)?.length ?? 0);
}

/** `text` in exactly `width` columns, or more where it is longer. */
export function padded(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  // A terminal that orders letters itself would else take the next column into the line that runs to the left.
  const closed = rightToLeft.test(text) ? `${text}\u200e` : text;
  return side === 'left' ? `${closed}${space}` : `${space}${closed}`;
}

/** Lines of at most `width` columns, broken at spaces; the text's own line breaks stay. */
export function wrapped(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines = [''];
    for (const word of paragraph.split(' ')) {
      const last = lines.at(-1) ?? '';
      if (last !== '' && widthOf(`${last} ${word}`) > width) lines.push(word);
      else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    }
    return lines.map((line) => line.replaceAll(noBreakSpace, ' '));
  });
}

/** At most `width` columns of one line; what is left out is shown as `…`. */
export function shortened(text: string, width: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  if (widthOf(line) <= width) return line;
  let short = line;
  while (widthOf(short) > width - 1) short = [...short].slice(0, -1).join('');
  return `${short.trimEnd()}…`;
}

/** `6,000`. */
export const count = (value: number): string => value.toLocaleString('en-US');

export const tokensOf = (tokens: number): string => `${count(tokens)} ${tokens === 1 ? 'token' : 'tokens'}`;

/** `49.90`, `1,234.56`, `129`: as prices are written. */
export const amount = (value: number): string =>
  value.toLocaleString('en-US', { minimumFractionDigits: Number.isInteger(value) ? 0 : 2 });

/** A request's body in one line as JSON, long texts cut, secrets left out. Breaks between fields only. */
export function writtenBody(body: object): string {
  const fields = Object.entries(body).map(([name, value]) => {
    const shown = secretFields.has(name) ? '***' : typeof value === 'string' ? shortened(value, 60) : value;
    return `"${name}": ${JSON.stringify(shown)}`.replaceAll(' ', noBreakSpace);
  });
  return `{${noBreakSpace}${fields.join(', ')}${noBreakSpace}}`;
}

const secretFields: ReadonlySet<string> = new Set(['password', 'access_token']);
