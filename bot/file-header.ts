/** @file The header with which the web chat's page asks for a file; for the browser too. */

/** With it, the bot sends a file itself: the page's security policy lets it read none from elsewhere. */
export const FROM_BOT = 'x-from-bot';
