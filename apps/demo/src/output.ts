/** Prints the story in at most 100 columns; colours and a rewritten progress line only on a terminal. */
import { styleText } from 'node:util';
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';

const maxColumns = 100;
const clearLine = '\r\x1b[K';

/** Prints `text` wrapped: its first line after `first`, the others indented by `indent` columns. */
export function print(text: string, first = '   ', indent = first.length): void {
  const lines = wrapAnsi(text, maxColumns - indent, { hard: true }).replaceAll('\n', `\n${' '.repeat(indent)}`);
  process.stdout.write(`${first}${lines}\n`.replace(/ +$/gm, ''));
}

export const printRequest = (who: string, request: string, body: object): void =>
  print(`${styleText('yellow', request)} ${jsonText(body)}`, `   ${who.padEnd(9)}`, 14);

/** Prints an answer, and for a job the tokens that it was billed. */
export function printAnswer(status: string, answer: unknown, tokens?: number): void {
  const cost = tokens === undefined ? '' : `(${countText(tokens)} tokens)`;
  print(styleText('green', `${status} ${jsonText(answer)}  ${cost}`), '          > ');
}

/** Prints one row of a table; numbers are aligned to the right. */
export function printRow(widths: number[], cells: (string | number)[]): void {
  const padded = cells.map((cell, i) => {
    // The left-to-right mark keeps terminals from moving the next column into right-to-left text.
    const text = typeof cell === 'number' ? countText(cell) : cell.replace(/\p{Script=Arabic}$/u, '$&\u200e');
    const space = ' '.repeat(Math.max(0, (widths[i] ?? 0) - stringWidth(text)));
    return typeof cell === 'number' ? `${space}${text}` : `${text}${space}`;
  });
  print(padded.join('  '));
}

/** Waits for `work`; prints what it waits for after 2 s, and every 10 s where the line can't be rewritten. */
export function showProgress<T>(what: string, work: Promise<T>): Promise<T> {
  let seconds = 0;
  const timer = setInterval(() => {
    seconds += 1;
    if (process.stdout.isTTY && seconds >= 2) process.stdout.write(`${clearLine}   ${what}… ${seconds} s`);
    else if (seconds % 10 === 2) print(`${what}… ${seconds} s`);
  }, 1_000);
  return work.finally(() => {
    clearInterval(timer);
    if (process.stdout.isTTY && seconds >= 2) process.stdout.write(clearLine);
  });
}

export const countText = (count: number): string => count.toLocaleString('en-US');

/** JSON in one line, secrets masked; line breaks in strings stay line breaks. */
function jsonText(value: unknown): string {
  const mask = (name: string, field: unknown) => (/^(?:password|access_token|token)$/.test(name) ? '***' : field);
  return JSON.stringify(value, mask, 1).replace(/\n */g, ' ').replaceAll('\\n', '\n').replace(/^{}$/, '');
}
