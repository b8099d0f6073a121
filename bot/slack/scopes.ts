/** @file What the app may do in a workspace. https://docs.slack.dev/reference/scopes */
import type { webApi } from '@slack/bolt';

type Manifest = webApi.AppsManifestCreateArguments['manifest'];
type Scope = NonNullable<NonNullable<NonNullable<Manifest['oauth_config']>['scopes']>['bot']>[number];

/** Scopes that the bot needs, and what fails without each. */
export const NEEDED_SCOPES: readonly { readonly scope: Scope; readonly without: string }[] = [
  { scope: 'commands', without: 'commands do not reach it' },
  { scope: 'chat:write', without: 'it cannot post messages' },
  { scope: 'files:read', without: 'it cannot read photos from members' },
  { scope: 'files:write', without: 'it cannot show pictures' },
  { scope: 'reactions:read', without: 'votes do not reach it' },
  { scope: 'reactions:write', without: 'it cannot add the reactions to vote with' },
  { scope: 'users:read', without: 'it does not know names and admins' },
];

/** Optional scopes: user groups as roles, posting each message once also across a kill, names of private channels. */
export const OPTIONAL_SCOPES: readonly Scope[] = [
  'usergroups:read',
  'channels:history',
  'groups:history',
  'groups:read',
];
