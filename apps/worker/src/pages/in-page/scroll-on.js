/**
 * Scrolls down by most of a screen, or to the top.
 * @param {{ to: 'next' | 'top' }} where
 * @returns {boolean} whether the position changed
 */
export function scrollOn({ to }) {
  const scrolls = (element) => element.scrollHeight > element.clientHeight + 10;

  /** Some shops scroll an element as large as the window instead of the document. */
  function scroller() {
    const root = document.scrollingElement ?? document.documentElement;
    if (scrolls(root)) return root;
    const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
    for (let each = middle; each !== null; each = each.parentElement)
      if (scrolls(each) && /auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
    return root;
  }

  const element = scroller();
  const from = element.scrollTop;
  element.scrollTo({ top: to === 'top' ? 0 : from + innerHeight * 0.9, behavior: 'instant' });
  return element.scrollTop !== from;
}
