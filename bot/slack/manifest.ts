/**
 * @file What Krona needs of Slack, as an app manifest: with it an administrator creates the app in one step.
 * https://docs.slack.dev/reference/app-manifest
 */
import type { webApi } from '@slack/bolt';

export type Manifest = webApi.AppsManifestCreateArguments['manifest'];
type Scope = NonNullable<NonNullable<NonNullable<Manifest['oauth_config']>['scopes']>['bot']>[number];

/** Scopes that the bot needs, and what does not work without each. */
export const NEEDED_SCOPES: readonly { readonly scope: Scope; readonly without: string }[] = [
  { scope: 'commands', without: 'nobody can give it commands' },
  { scope: 'chat:write', without: 'it cannot post anything' },
  { scope: 'files:read', without: 'it cannot read the photos that members give' },
  { scope: 'files:write', without: 'it cannot show pictures' },
  { scope: 'reactions:read', without: 'votes do not reach it' },
  { scope: 'reactions:write', without: 'it puts no reactions under pictures to vote with' },
  { scope: 'users:read', without: 'members have no names, and admins no rights' },
];

/** Scopes that an administrator may leave out: user groups as roles, and posting once also across a kill. */
export const OPTIONAL_SCOPES: readonly Scope[] = ['usergroups:read', 'channels:history', 'groups:history'];

/** @param address where the bot is reached over HTTP (`https://krona.example.org`); null: Socket Mode */
export function appManifest(address: string | null): Manifest {
  const url = address === null ? {} : { url: `${address}/slack/events` };
  const requestUrl = address === null ? {} : { request_url: `${address}/slack/events` };
  return {
    _metadata: { major_version: 2, minor_version: 1 },
    display_information: {
      name: 'Krona',
      description: 'Learns what is yours and draws it',
      long_description:
        'Krona teaches an image model something of your channel’s own, a pet, a mascot or a product, from photos ' +
        'that members give, and then draws it for everybody. Members vote by reacting to the pictures, and the votes ' +
        'choose what draws next.',
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
          description: 'Gives the photos of your message to Krona',
        },
      ],
      slash_commands: [
        {
          command: '/krona',
          description: 'Teach Krona something and draw it',
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
