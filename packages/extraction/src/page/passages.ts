/** Reads a document's visible text as a list of passages, with their kind and whether they belong to the main part. */
import type { CheerioAPI } from 'cheerio';
import { collapse } from '../text/names.ts';
import { type Beside, besideElement, besideHeading, besideLine } from './beside.ts';
import { type Element, isElement, isHidden, type Node } from './dom.ts';

/** One line or paragraph of visible text. */
export type Passage = {
  /** White space collapsed; struck-through text is enclosed in `~~`. */
  text: string;
  /** 1 to 6 for a heading, else 0. */
  heading: number;
  button: boolean;
  /** Set where the passage is outside the page's main part. */
  beside: Beside | undefined;
  /** The enclosing block. */
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

/** The visible passages of a page, in document order. */
export function readPassages($: CheerioAPI): Passage[] {
  const body = $('body').get(0);
  return body === undefined ? [] : new Reader(mainHeadings($)).read(body);
}

/** The headings that name the page's subject: each h1 outside headers and navigation, or else every h1. */
function mainHeadings($: CheerioAPI): Element[] {
  const all = $('h1')
    .get()
    .filter((heading) => !isHidden(heading));
  const inMain = all.filter((heading) => $(heading).closest('header, nav, footer, aside').length === 0);
  return inMain.length > 0 ? inMain : all;
}

/** Limits for what is read of a page. */
const maxPassages = 20_000;
const maxCharacters = 2_000_000;

/** An open element and the properties its content inherits. */
type Frame = {
  element: Element;
  /** Index of the next child to read. */
  next: number;
  beside: Beside | undefined;
  struck: boolean;
  linked: boolean;
  /** The innermost block. */
  block: Frame | undefined;
  heading: number;
  button: boolean;
};

class Reader {
  readonly #aroundMain = new Set<Node>();
  readonly #passages: Passage[] = [];
  readonly #stack: Frame[] = [];
  #pieces: { text: string; struck: boolean }[] = [];
  #linked = false;
  #characters = 0;
  readonly #holdingMore = new Map<Element, boolean>();
  /** Set by a heading, until the end of its container or the next heading of the same or a higher level. */
  #othersUntil: { container: Element; level: number; beside: Beside } | undefined;

  constructor(headings: Element[]) {
    for (const heading of headings) {
      for (let node: Node | null = heading; node !== null && isElement(node); node = node.parent as Node | null)
        this.#aroundMain.add(node);
    }
  }

  read(body: Element): Passage[] {
    this.#enter(body);
    const isFull = (): boolean => this.#passages.length >= maxPassages || this.#characters >= maxCharacters;
    for (let frame = this.#stack.at(-1); frame !== undefined && !isFull(); frame = this.#stack.at(-1)) {
      const child = frame.element.children[frame.next++];
      if (child === undefined) this.#leave(frame);
      else if (isElement(child)) this.#enter(child);
      else if (child.type === 'text') this.#append(child.data, frame);
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
      block: parent?.block,
      heading: parent?.heading || headingLevel(element),
      button: parent?.button === true || isButton(element),
    };
    if (blockTags.has(element.name)) frame.block = frame;
    this.#stack.push(frame);
    if (element.name === 'sup' || centsNames.test(names)) this.#cents(element, frame);
    if (element.name === 'input' && ['submit', 'button'].includes(element.attribs.type ?? ''))
      this.#append(element.attribs.value ?? '', frame);
  }

  #leave(frame: Frame): void {
    if (blockTags.has(frame.element.name)) this.#flush(frame);
    if (this.#othersUntil?.container === frame.element) this.#othersUntil = undefined;
    this.#stack.pop();
  }

  #append(text: string, frame: Frame): void {
    if (frame.linked && text.trim()) this.#linked = true;
    this.#pieces.push({ text, struck: frame.struck });
    this.#characters += text.length;
  }

  /** Inserts the decimal point that `54<sup>25</sup>` shows by its layout. */
  #cents(element: Element, frame: Frame): void {
    const [only, ...others] = element.children;
    const before = this.#pieces.at(-1)?.text ?? '';
    if (others.length === 0 && only?.type === 'text' && /^\s*\d{2}\s*$/.test(only.data) && /\d\s*$/.test(before))
      this.#append('.', frame);
  }

  /** Ends the current passage in `frame`'s element. */
  #flush(frame: Frame | undefined): void {
    const text = joined(this.#pieces);
    const linked = this.#linked;
    this.#pieces = [];
    this.#linked = false;
    if (frame === undefined || text === '') return;
    const { heading, button } = frame;
    const block = frame.block ?? frame;
    const isLine = heading === 0 && !linked && !button;
    const starts = heading > 1 ? besideHeading(text) : isLine ? besideLine(text) : undefined;
    if (starts)
      this.#othersUntil = { container: this.#containerOf(block.element), level: heading || 6, beside: starts };
    else if (heading > 0 && this.#othersUntil && heading <= this.#othersUntil.level) this.#othersUntil = undefined;
    const beside = this.#othersUntil?.beside ?? block.beside;
    this.#passages.push({ text, heading, button, beside, element: block.element });
  }

  /** The closest ancestor of a heading that contains more than the heading. */
  #containerOf(heading: Element): Element {
    let element = heading;
    while (element.parent !== null && isElement(element.parent as Node)) {
      element = element.parent as Element;
      const holdsMore = this.#holdingMore.get(element) ?? element.children.filter(isSomething).length > 1;
      this.#holdingMore.set(element, holdsMore);
      if (holdsMore) break;
    }
    return element;
  }
}

const isSomething = (node: Node): boolean => isElement(node) || (node.type === 'text' && node.data.trim() !== '');

const isButton = ({ name, attribs }: Element): boolean =>
  name === 'button' || name === 'input' || attribs.role === 'button';

/** A heading's level, 1 to 6; 0 for other elements. */
function headingLevel({ name, attribs }: Element): number {
  const level = /^h([1-6])$/.exec(name)?.[1];
  if (level !== undefined) return Number(level);
  return attribs.role === 'heading' ? Number(attribs['aria-level']) || 2 : 0;
}

function joined(pieces: { text: string; struck: boolean }[]): string {
  let text = '';
  /** The last two characters of `text`, kept separately because reading the end of a growing string copies it. */
  let end = '';
  let struck = false;
  const add = (more: string): void => {
    text += more;
    end = (end + more.slice(-2)).slice(-2);
  };
  for (const piece of pieces) {
    if (piece.struck !== struck && piece.text.trim() !== '') {
      add(struck ? '~~ ' : ' ~~');
      struck = piece.struck;
    }
    add(needSpace(end, piece.text) ? ` ${piece.text}` : piece.text);
  }
  return collapse(struck ? `${text}~~` : text);
}

/** Adjacent badges have no space between them (`4,50 €` `Sold out`) and need one; parts of a word or number do not. */
const needSpace = (before: string, after: string): boolean =>
  /\S$/.test(before) &&
  (/^\p{Lu}/u.test(after) ||
    (/[^\p{L}\s]$/u.test(before) && /^\p{L}/u.test(after)) ||
    (/\p{L}$/u.test(before) && /^\d/.test(after)));
