/** Whether the page already contains structured product data, so that there is no need to wait for it. */
export function hasProductData() {
  if (
    document.querySelector('[itemtype*="schema.org/Product"], [typeof~="Product"], [property="product:price:amount"]')
  )
    return true;
  const scripts = document.querySelectorAll('script[type="application/ld+json"]');
  return Array.from(scripts).some((script) => /@type.{0,40}\bProduct/.test(script.textContent));
}
