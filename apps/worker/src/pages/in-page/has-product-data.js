/** Whether the page already carries data about a product, so that waiting for some is of no use. */
export function hasProductData() {
  if (
    document.querySelector('[itemtype*="schema.org/Product"], [typeof~="Product"], [property="product:price:amount"]')
  )
    return true;
  const scripts = document.querySelectorAll('script[type="application/ld+json"]');
  return Array.from(scripts).some((script) => /@type.{0,40}\bProduct/.test(script.textContent));
}
