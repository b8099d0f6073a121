/** @file Limits of photos that come to the bot itself: from the page, which knows them too, and from programs. */

/** Photos of one message or request. */
export const MAX_PHOTOS = 10;
/** Bytes of a photo. */
export const MAX_PHOTO_BYTES = 25 * 1024 * 1024;
