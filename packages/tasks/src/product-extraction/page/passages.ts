/** Reads a document as a person sees it: a list of passages, each knowing what it is and whether it belongs to the main part. */
import type { CheerioAPI } from 'cheerio';
import { collapse } from '../text/names.ts';
import { type Beside, besideElement, besideHeading, besideLine } from './beside.ts';
import { type Element, isElement, isHidden, type Node } from './dom.ts';

/** One line or paragraph of visible text. */
export type Passage = {
  /** Spaces collapsed; struck-through parts stand between `~~`. */
  text: string;
  /** 1 to 6 for a heading, else 0. */
  heading: number;
  button: boolean;
  /** Set where it is no part of what the page is about. */
  beside: Beside | undefined;
  /** The block that holds it. */
  element: Element;
};

const blockTags = new Set(
  'address article aside blockquote body br button caption center dd details dialog div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html input label legend li main menu nav ol optgroup option p pre search section select summary table tbody td textarea tfoot th thead tr ul'.split(
    ' ',
  ),
);
const struckNames =
  /(?:^|[-_ ])(?:old|was|strike|strikethrough|striked|crossed|line-through|rrp|msrp|uvp|list-?price|compare(?:-at)?(?:-price)?|regular-price|price-old|oldprice|original-price|was-price|previous)(?:$|[-_ ])/i;
const centsNames = /(?:^|[-_ ])(?:fraction|cents?|decimals?)(?:$|[-_ ])/i;

/** The visible passages of a page, in the order of the document. */
export function readPassages($: CheerioAPI): Passage[] {
  const body = $('body').get(0);
  return body === undefined ? [] : new Reader(mainHeadings($)).read(body);
}

/** The headings that name what the page is about: h1, outside of the site's own header where there is one such. */
function mainHeadings($: CheerioAPI): Element[] {
  const all = $('h1')
    .get()
    .filter((heading) => !isHidden(heading));
  const inMain = all.filter((heading) => $(heading).closest('header, nav, footer, aside').length === 0);
  return inMain.length > 0 ? inMain : all;
}

type Frame = { element: Element; next: number; beside: Beside | undefined; struck: boolean; linked: boolean };

class Reader {
  readonly #aroundMain = new Set<Node>();
  readonly #passages: Passage[] = [];
  readonly #stack: Frame[] = [];
  #pieces: { text: string; struck: boolean }[] = [];
  #linked = false;
  /** Since a heading said so, until the end of its container or the next heading of its rank. */
  #othersUntil: { container: Element; rank: number; beside: Beside } | undefined;

  constructor(headings: Element[]) {
    for (const heading of headings) {
      for (let node: Node | null = heading; node !== null && isElement(node); node = node.parent as Node | null)
        this.#aroundMain.add(node);
    }
  }

  read(body: Element): Passage[] {
    this.#enter(body);
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      const child = frame.element.children[frame.next++];
      if (child === undefined) this.#leave(frame);
      else if (isElement(child)) this.#enter(child);
      else if (child.type === 'text') this.#say(child.data, frame);
    }
    return this.#passages;
  }

  #enter(element: Element): void {
    if (isHidden(element)) return;
    const parent = this.#stack.at(-1);
    if (blockTags.has(element.name)) this.#flush(parent);
    const names = `${element.attribs.class ?? ''} ${element.attribs.id ?? ''}`;
    const style = element.attribs.style ?? '';
    const frame: Frame = {
      element,
      next: 0,
      beside: parent?.beside ?? (this.#aroundMain.has(element) ? undefined : besideElement(element)),
      struck:
        parent?.struck === true ||
        ['del', 's', 'strike'].includes(element.name) ||
        /line-through/.test(style) ||
        struckNames.test(names),
      linked: parent?.linked === true || element.name === 'a',
    };
    this.#stack.push(frame);
    if (element.name === 'sup' || centsNames.test(names)) this.#cents(element, frame);
    if (element.name === 'input' && ['submit', 'button'].includes(element.attribs.type ?? ''))
      this.#say(element.attribs.value ?? '', frame);
  }

  #leave(frame: Frame): void {
    if (blockTags.has(frame.element.name)) this.#flush(frame);
    if (this.#othersUntil?.container === frame.element) this.#othersUntil = undefined;
    this.#stack.pop();
  }

  #say(text: string, frame: Frame): void {
    if (frame.linked && text.trim()) this.#linked = true;
    this.#pieces.push({ text, struck: frame.struck });
  }

  /** `54<sup>25</sup>` is shown as 54 and a quarter. */
  #cents(element: Element, frame: Frame): void {
    const [only, ...others] = element.children;
    const before = this.#pieces.at(-1)?.text ?? '';
    if (others.length === 0 && only?.type === 'text' && /^\s*\d{2}\s*$/.test(only.data) && /\d\s*$/.test(before))
      this.#say('.', frame);
  }

  /** Ends the passage that `frame`'s element holds. */
  #flush(frame: Frame | undefined): void {
    const text = joined(this.#pieces);
    const linked = this.#linked;
    this.#pieces = [];
    this.#linked = false;
    if (frame === undefined || text === '') return;
    const block = this.#stack.findLast((candidate) => blockTags.has(candidate.element.name)) ?? frame;
    const heading = this.#headingRank();
    const button = this.#stack.some(
      ({ element }) => element.name === 'button' || element.name === 'input' || element.attribs.role === 'button',
    );
    const isLine = heading === 0 && !linked && !button;
    const starts = heading > 1 ? besideHeading(text) : isLine ? besideLine(text) : undefined;
    if (starts) this.#othersUntil = { container: containerOf(block.element), rank: heading || 6, beside: starts };
    else if (heading > 0 && this.#othersUntil && heading <= this.#othersUntil.rank) this.#othersUntil = undefined;
    const beside = this.#othersUntil?.beside ?? block.beside;
    this.#passages.push({ text, heading, button, beside, element: block.element });
  }

  #headingRank(): number {
    for (const { element } of this.#stack) {
      const rank = /^h([1-6])$/.exec(element.name)?.[1];
      if (rank !== undefined) return Number(rank);
      if (element.attribs.role === 'heading') return Number(element.attribs['aria-level']) || 2;
    }
    return 0;
  }
}

/** The closest element around a heading that holds more than the heading. */
function containerOf(heading: Element): Element {
  let element = heading;
  while (element.parent !== null && isElement(element.parent as Node)) {
    element = element.parent as Element;
    if (
      element.children.filter((child) => isElement(child) || (child.type === 'text' && child.data.trim() !== ''))
        .length > 1
    )
      break;
  }
  return element;
}

function joined(pieces: { text: string; struck: boolean }[]): string {
  let text = '';
  let struck = false;
  for (const piece of pieces) {
    if (piece.struck !== struck && piece.text.trim() !== '') {
      text += struck ? '~~ ' : ' ~~';
      struck = piece.struck;
    }
    text += needSpace(text, piece.text) ? ` ${piece.text}` : piece.text;
  }
  return collapse(struck ? `${text}~~` : text);
}

/** Badges stand side by side without a space between them: `4,50 €` `Sold out`. Parts of one word or number do not. */
const needSpace = (before: string, after: string): boolean =>
  /\S$/.test(before) &&
  (/^\p{Lu}/u.test(after) ||
    (/[^\p{L}\s]$/u.test(before) && /^\p{L}/u.test(after)) ||
    (/\p{L}$/u.test(before) && /^\d/.test(after)));
