/**
 * Answers a known consent dialog, since some shops show nothing before that. Clicks no other button.
 * @returns {boolean} whether a dialog was found
 */
export function clickConsent() {
  // Buttons that refuse come first: a page reader has no use for trackers.
  const known = [
    '#onetrust-reject-all-handler',
    '#onetrust-accept-btn-handler',
    '#CybotCookiebotDialogBodyButtonDecline',
    '#CybotCookiebotDialogBodyLevelButtonLevelOptinAllowAll',
    '#didomi-notice-disagree-button',
    '#didomi-notice-agree-button',
    '[data-testid="uc-deny-all-button"]',
    '[data-testid="uc-accept-all-button"]',
    '#truste-consent-required',
    '#truste-consent-button',
    '.qc-cmp2-summary-buttons button[mode="secondary"]',
    '.qc-cmp2-summary-buttons button[mode="primary"]',
    '.fc-cta-do-not-consent',
    '.fc-cta-consent',
    '.cky-btn-reject',
    '.cky-btn-accept',
    '.cmplz-deny',
    '.cmplz-accept',
    '.iubenda-cs-reject-btn',
    '.iubenda-cs-accept-btn',
    '#axeptio_btn_dismiss',
    '#axeptio_btn_acceptAll',
    '#tarteaucitronAllDenied2',
    '#tarteaucitronPersonalize2',
    '#shopify-pc__banner__btn-decline',
    '#shopify-pc__banner__btn-accept',
    '#sp-cc-rejectall-link',
    '#sp-cc-accept',
    '.cc-deny',
    '.cc-allow',
  ];
  const words =
    /^(reject|decline|deny|accept|allow)( all)?( cookies)?$|^alle (ablehnen|akzeptieren)$|^(tout|tous) (refuser|accepter)$|^rechazar( todas?)?$|^aceptar( todas?)?$|^rifiuta( tutt[io])?$|^accetta( tutt[io])?$|^alles? (weigeren|accepteren)$|^rejeitar( tud[oa]s?)?$|^aceitar( tud[oa]s?)?$|^odrzuć wszystkie$|^zaakceptuj wszystkie$|^(tümünü )?(reddet|kabul et)$|^avvisa alla$|^acceptera alla$|^رد همه$|^پذیرش همه$|^قبول الكل$|^رفض الكل$/i;
  const dialogs =
    '[id*="cookie" i], [class*="cookie" i], [id*="consent" i], [class*="consent" i], [id*="gdpr" i], [class*="gdpr" i]';

  const roots = [document];
  // Usercentrics and some others render into a shadow tree.
  for (const host of document.querySelectorAll('#usercentrics-root, #usercentrics-cmp-ui, [id*="consent" i]'))
    if (host.shadowRoot) roots.push(host.shadowRoot);

  const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('a[href]');
  for (const root of roots)
    for (const selector of known) {
      const button = root.querySelector(selector);
      if (button === null || !isShown(button)) continue;
      button.click();
      return true;
    }
  for (const dialog of Array.from(document.querySelectorAll(dialogs)).slice(0, 50))
    for (const button of dialog.querySelectorAll('button:not(form *), [role="button"]:not(form *)')) {
      if (!words.test((button.textContent ?? '').trim()) || !isShown(button)) continue;
      button.click();
      return true;
    }
  return false;
}
