/** What the reader sees: headings, requests, answers and tables, in 100 columns; colours only where they are welcome. */
import { styleText } from 'node:util';
import { count, padded, tokensOf, widthOf, wrapped } from './text.ts';

type Style = Parameters<typeof styleText>[0];
export type Column = { title: string; width: number; side?: 'left' | 'right' };
export type Chapter = { number: number; heading: string };

export type Screen = {
  /** Before the first chapter: what is about to happen, and where. */
  opening(folder: string): void;
  chapter(heading: string, why: string): void;
  chapterTold(): Chapter | undefined;
  note(text: string): void;
  /** What is only of interest while one waits. */
  aside(text: string): void;
  request(who: string, what: string, body?: string): void;
  /** The telling part of an answer, and what it cost. */
  answer(text: string, tokens?: number): void;
  /** The head of a table, and what writes its rows, one by one. */
  table(columns: Column[]): (cells: (string | number)[]) => void;
  /** Waits for `work`; where that takes longer than 2 s the reader sees for what, which may change meanwhile. */
  during<T>(what: string | (() => string), work: Promise<T>): Promise<T>;
  fail(reason: string, chapter?: Chapter): void;
  end(text: string): void;
  /** Shows nothing from now on. */
  mute(): void;
  /** Resolves when all is written. */
  flushed(): Promise<void>;
};

const columns = 100;
const indent = '   ';
const patienceMs = 2_000;
const tickMs = 200;
/** Where no line can be rewritten, a word now and then. */
const reminderMs = 10_000;
const spinner = '|/-\\';

export function createScreen(output: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Screen {
  const isTerminal = output.isTTY === true;
  const isColoured = isTerminal && !env.NO_COLOR;
  const paint = (style: Style, text: string): string =>
    isColoured ? styleText(style, text, { validateStream: false }) : text;
  let chapter: Chapter | undefined;
  let isSilent = false;

  function line(text = ''): void {
    if (!isSilent) output.write(`${text.trimEnd()}\n`);
  }
  function block(text: string, first: string, style?: Style): void {
    const rest = ' '.repeat(widthOf(first));
    for (const [i, part] of wrapped(text, columns - widthOf(first)).entries())
      line(`${i === 0 ? first : rest}${style === undefined ? part : paint(style, part)}`);
  }

  function waiting(what: string | (() => string)): () => void {
    const startedAt = Date.now();
    let saidAt = 0;
    const timer = setInterval(() => {
      const ms = Date.now() - startedAt;
      if (ms < patienceMs || isSilent) return;
      const text = `${typeof what === 'string' ? what : what()}… ${Math.floor(ms / 1_000)} s`;
      if (isTerminal) output.write(`\r\x1b[K${indent}${spinner[Math.floor(ms / tickMs) % spinner.length]} ${text}`);
      else if (saidAt === 0 || Date.now() - saidAt >= reminderMs) {
        saidAt = Date.now();
        output.write(`${indent}${text}\n`);
      }
    }, tickMs);
    return () => {
      clearInterval(timer);
      if (isTerminal && !isSilent && Date.now() - startedAt >= patienceMs) output.write('\r\x1b[K');
    };
  }

  return {
    opening(folder) {
      line(paint('bold', 'Tally, from an empty account to an empty account'));
      line();
      block(
        'Lea runs Lumière & Oak, a small lamp shop in Lisbon. Tally shall answer her customers, on her site and on ' +
          'Instagram, and never use a token that she has not got. All that follows goes through public HTTP, and every ' +
          'line is checked: where it is not as told, the demo stops and says so.',
        '',
      );
      line();
      block(
        `It runs on an installation of its own, in ${folder}: Postgres, Redis, an API, a worker, and a sandbox that ` +
          'stands in for the model, for Instagram and for the shop. No network, no keys.',
        '',
      );
      line();
    },
    chapter(heading, why) {
      chapter = { number: (chapter?.number ?? 0) + 1, heading };
      line();
      line(paint(['bold', 'cyan'], `${padded(`${chapter.number}.`, indent.length - 1)} ${heading}`));
      block(why, indent);
      line();
    },
    chapterTold: () => chapter,
    note: (text) => block(text, indent),
    aside: (text) => block(text, indent, 'dim'),
    request(who, what, body) {
      const head = `${indent}${padded(who, 9)}`;
      const whole = body === undefined ? what : `${what} ${body}`;
      const isOneLine = widthOf(head) + widthOf(whole) <= columns;
      line(`${paint('dim', head)}${paint('yellow', what)}${isOneLine && body ? ` ${body}` : ''}`);
      if (!isOneLine && body !== undefined) block(body, ' '.repeat(head.length + 2));
    },
    answer(text, tokens) {
      const cost = tokens === undefined ? '' : `  (${tokensOf(tokens)})`;
      block(`${text}${cost}`, `${indent}${padded('', 7)}> `, 'green');
    },
    table(shape) {
      const row = (cells: string[]): string =>
        `${indent}${cells.map((cell, i) => padded(cell, shape[i]?.width ?? 0, shape[i]?.side)).join('  ')}`.trimEnd();
      line(paint('bold', row(shape.map(({ title }) => title))));
      line(paint('dim', row(shape.map(({ width }) => '-'.repeat(width)))));
      return (cells) => line(row(cells.map((cell) => (typeof cell === 'number' ? count(cell) : cell))));
    },
    async during(what, work) {
      const done = waiting(what);
      try {
        return await work;
      } finally {
        done();
      }
    },
    fail(reason, told) {
      const place = told === undefined ? 'before its first chapter' : `in chapter ${told.number}, "${told.heading}"`;
      line();
      line(paint(['bold', 'red'], `The story breaks off ${place}:`));
      line(reason);
      line();
    },
    end(text) {
      line();
      block(text, '', 'bold');
    },
    mute() {
      if (isTerminal) line('\r\x1b[K');
      isSilent = true;
    },
    flushed: () => new Promise((resolve) => output.write('', () => resolve())),
  };
}
