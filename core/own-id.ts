/** @file Ids of members and channels as the records have them. */

/** The platform's own id; in the records, a further Slack workspace's ids begin with its own and a slash (bot/slack/ids.ts). */
export const ownId = (externalId: string): string => externalId.slice(externalId.lastIndexOf('/') + 1);
