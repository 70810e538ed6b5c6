/**
 * Marks invisible elements with `data-tally-hidden`, and serialises the document.
 *
 * Plain JavaScript: it runs in the page, in an isolated world that the page's scripts can't reach.
 * @param {{ maxMs: number, maxChars: number }} limits after `maxMs` the remaining elements count as visible
 * @returns {{ html: string | null, title: string, text: string, captcha: boolean, seen: boolean }} `html` is null if it
 *   is longer than `maxChars`; `text` is the visible text of a small page, and empty for a larger one
 */
export function snapshot(limits) {
  const endsAt = performance.now() + limits.maxMs;
  /** Their text is never displayed, and some contain structured data, so they are not marked. */
  const textless = new Set(
    'SCRIPT STYLE TEMPLATE NOSCRIPT LINK META TITLE BASE BR OPTION SOURCE IMG PICTURE VIDEO AUDIO CANVAS IFRAME'.split(
      ' ',
    ),
  );
  const media = 'img, picture, video, canvas, iframe, svg';
  const tinyPx = 4;
  const smallPageElements = 400;

  function hasOwnText(element) {
    for (let node = element.firstChild; node !== null; node = node.nextSibling)
      if (node.nodeType === Node.TEXT_NODE && /\S/.test(node.data)) return true;
    return false;
  }

  const late = () => performance.now() > endsAt;

  /** Whether `is` holds for every element with text of its own in the subtree of `element`. */
  const allText = (element, is) =>
    [element, ...element.querySelectorAll('*')].every(
      (each) => !late() && (textless.has(each.tagName) || !hasOwnText(each) || is(each, getComputedStyle(each))),
    );

  const rgba = (colour) => {
    const [r, g, b, alpha = 1] = (/^rgba?\((.*)\)$/.exec(colour)?.[1] ?? '').split(/[\s,/]+/).map(Number);
    return b === undefined ? undefined : { r, g, b, alpha };
  };

  const backdrops = new Map();

  /** The colour behind the text of `element`; undefined if an image or another layer may be in between. */
  function backdrop(element) {
    if (element === null) return { r: 255, g: 255, b: 255, alpha: 1 };
    if (!backdrops.has(element)) backdrops.set(element, ownBackdrop(element));
    return backdrops.get(element);
  }

  function ownBackdrop(element) {
    const style = getComputedStyle(element);
    if (style.backgroundImage !== 'none' || ['absolute', 'fixed'].includes(style.position)) return undefined;
    const root = element === document.body || element === document.documentElement;
    if (!root && element.querySelector(media) !== null) return undefined;
    const colour = rgba(style.backgroundColor);
    if (colour === undefined || (colour.alpha > 0 && colour.alpha < 1)) return undefined;
    return colour.alpha === 1 ? colour : backdrop(element.parentElement);
  }

  function hasColourOfBackdrop(element, style) {
    const colour = rgba(style.webkitTextFillColor || style.color);
    if (colour === undefined || style.textShadow !== 'none' || style.backgroundClip.includes('text')) return false;
    if (colour.alpha < 0.05) return true;
    const behind = colour.alpha === 1 ? backdrop(element) : undefined;
    if (behind === undefined) return false;
    return Math.abs(colour.r - behind.r) + Math.abs(colour.g - behind.g) + Math.abs(colour.b - behind.b) <= 12;
  }

  function isClipped(element, style, { width, height }) {
    if (/^rect\(([01](px)?[\s,]*){4}\)$/.test(style.clip) && style.position !== 'static') return true;
    if (/^(inset\((50|100)%|circle\(0(px|%)?[\s)])/.test(style.clipPath)) return true;
    if ((width > 1 && height > 1) || element.textContent.trim() === '') return false;
    const cuts = style.overflowX !== 'visible' || style.overflowY !== 'visible';
    const isScaledAway = element.offsetWidth > 1 && element.offsetHeight > 1;
    return cuts || isScaledAway;
  }

  /** Beyond the left or upper edge, which scrolling can't reach, unlike content below or to the right. */
  function isOffScreen(style, { right, bottom }) {
    if (Number.parseFloat(style.textIndent) < -500) return true;
    return right + scrollX < 0 || bottom + scrollY < 0;
  }

  /** Whether `element` and all its content are invisible. */
  function isHidden(element) {
    const style = getComputedStyle(element);
    if (style.display === 'none' || style.contentVisibility === 'hidden') return true;
    if (Number(style.opacity) < 0.05 || element.ariaHidden === 'true') return true;
    // Descendants can override visibility, font size and colour, so they are checked too.
    if (style.visibility !== 'visible') return allText(element, (_each, its) => its.visibility !== 'visible');
    if (style.display === 'contents') return false;
    const box = element.getBoundingClientRect();
    if (isClipped(element, style, box) || isOffScreen(style, box)) return true;
    if (!hasOwnText(element)) return false;
    if (Number.parseFloat(style.fontSize) < tinyPx)
      return allText(element, (_each, its) => Number.parseFloat(its.fontSize) < tinyPx);
    return hasColourOfBackdrop(element, style) && allText(element, hasColourOfBackdrop);
  }

  const digits = (element) => (element.textContent ?? '').replace(/\D/g, '');

  /** A price for screen readers beside the same price in `aria-hidden` parts repeats visible text, so it is kept. */
  function saysWhatIsShown(element) {
    if ((element.textContent ?? '').trim().length > 30 || digits(element) === '') return false;
    return Array.from(element.parentElement?.children ?? []).some(
      (other) => other !== element && other.ariaHidden === 'true' && digits(other) === digits(element),
    );
  }

  function findHidden() {
    const hidden = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT);
    let count = 0;
    let element = walker.nextNode();
    while (element !== null) {
      if (++count % 64 === 0 && late()) return { hidden, count, seen: false };
      const whole = textless.has(element.tagName) || (isHidden(element) && !saysWhatIsShown(element));
      if (whole && !textless.has(element.tagName)) hidden.push(element);
      element = whole ? (walker.nextSibling() ?? nextAfter(walker)) : walker.nextNode();
    }
    return { hidden, count, seen: true };
  }

  /** The next element in document order after the parent's subtree. */
  function nextAfter(walker) {
    while (walker.parentNode() !== null) {
      const next = walker.nextSibling();
      if (next !== null) return next;
    }
    return null;
  }

  const found = document.body === null ? { hidden: [], count: 0, seen: true } : findHidden();
  // Set the marks after all checks, since each mark invalidates the computed styles.
  for (const element of found.hidden) element.setAttribute('data-tally-hidden', '');
  const doctype = document.doctype === null ? '' : `<!DOCTYPE ${document.doctype.name}>`;
  const html = doctype + (document.documentElement?.outerHTML ?? '');
  return {
    html: html.length > limits.maxChars ? null : html,
    title: document.title.slice(0, 200),
    // biome-ignore lint/performance/useDomNodeTextContent: only visible text is wanted
    text: found.count <= smallPageElements ? (document.body?.innerText ?? '').slice(0, 4_000) : '',
    captcha:
      document.querySelector(
        '#px-captcha, #challenge-form, #cf-challenge-running, .g-recaptcha, .h-captcha, .cf-turnstile, #sec-if-cpt-container, ' +
          '[action*="validateCaptcha"], [src*="captcha-delivery.com"], [src*="/recaptcha/"], [src*="hcaptcha.com"]',
      ) !== null,
    seen: found.seen,
  };
}
