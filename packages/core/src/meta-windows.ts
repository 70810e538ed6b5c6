/** Meta's reply windows (developers.facebook.com/docs/instagram-platform, Messaging and Private Replies). */
export const metaWindowsMs = {
  /** For a private reply, counted from the comment. */
  comment: 7 * 86_400_000,
  /** For a private reply to a live comment: allowed during the broadcast, whose end is not announced. */
  liveComment: 10 * 60_000,
  /** For a message, counted from the customer's last one. */
  message: 24 * 3_600_000,
};
