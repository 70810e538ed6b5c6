/** How long Meta lets a business answer (developers.facebook.com/docs/instagram-platform, Messaging and Private Replies). */
export const metaWindowsMs = {
  /** A private reply, after the comment. */
  comment: 7 * 86_400_000,
  /** A private reply to a live comment: Meta allows it during the broadcast, whose end is not announced. */
  liveComment: 10 * 60_000,
  /** A message, after the customer's last one. */
  message: 24 * 3_600_000,
};
