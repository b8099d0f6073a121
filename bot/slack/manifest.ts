/**
 * @file Krona's app manifest: with it an administrator creates the Slack app in one step.
 * https://docs.slack.dev/reference/app-manifest
 */
import type { webApi } from '@slack/bolt';
import { REMIX_TITLE } from '../photo-form.ts';

export type Manifest = webApi.AppsManifestCreateArguments['manifest'];
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
const OPTIONAL_SCOPES: readonly Scope[] = [
  'usergroups:read',
  'channels:history',
  'groups:history',
  'groups:read',
];

/** @param address - where the bot is reached over HTTP (`https://krona.example.org`); null: Socket Mode */
export function appManifest(address: string | null): Manifest {
  const url = address === null ? {} : { url: `${address}/slack/events` };
  const requestUrl = address === null ? {} : { request_url: `${address}/slack/events` };
  return {
    _metadata: { major_version: 2, minor_version: 1 },
    display_information: {
      name: 'Krona',
      description: 'Trains on your photos and generates pictures',
      long_description:
        'Krona trains an image model on a subject of your channel, such as a pet, a mascot or a product, from photos ' +
        'that members add. Then everybody can generate pictures of it. Members vote by reacting to the pictures, and ' +
        'the votes decide which adapter the next prompt uses.',
      background_color: '#4a2a7a',
    },
    features: {
      app_home: { home_tab_enabled: true, messages_tab_enabled: false },
      bot_user: { display_name: 'krona', always_online: true },
      shortcuts: [
        {
          type: 'message',
          name: 'Add photos to a subject',
          callback_id: 'add_photos',
          description: 'Add the photos of your message to a subject',
        },
        {
          type: 'message',
          name: REMIX_TITLE,
          callback_id: 'remix_picture',
          description: 'Draw a picture that begins with this one',
        },
      ],
      slash_commands: [
        {
          command: '/krona',
          description: 'Train Krona on your photos and generate pictures',
          usage_hint: 'help | train subject:mochi class:cat | imagine a watercolour of mochi',
          // Mentions come with their ids: see mentions.ts.
          should_escape: true,
          ...url,
        },
      ],
    },
    oauth_config: {
      scopes: { bot: NEEDED_SCOPES.map(({ scope }) => scope), bot_optional: [...OPTIONAL_SCOPES] },
    },
    settings: {
      event_subscriptions: {
        ...requestUrl,
        bot_events: ['app_home_opened', 'reaction_added', 'reaction_removed'],
      },
      interactivity: {
        is_enabled: true,
        ...requestUrl,
        ...(address !== null && { message_menu_options_url: `${address}/slack/events` }),
      },
      org_deploy_enabled: false,
      socket_mode_enabled: address === null,
      token_rotation_enabled: false,
    },
  };
}

/** The page of Slack that creates an app from the manifest. */
export const creationLink = (manifest: Manifest): string =>
  `https://api.slack.com/apps?new_app=1&manifest_json=${encodeURIComponent(JSON.stringify(manifest))}`;
