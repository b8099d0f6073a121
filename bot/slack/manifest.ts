/**
 * @file Krona's app manifest: with it an administrator creates the Slack app in one step.
 * https://docs.slack.dev/reference/app-manifest
 */
import type { webApi } from '@slack/bolt';
import { REDIRECT_PATH } from './oauth.ts';
import { NEEDED_SCOPES, OPTIONAL_SCOPES } from './scopes.ts';
import { REMIX_TITLE } from '../photo-form.ts';

export type Manifest = webApi.AppsManifestCreateArguments['manifest'];
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
      ...(address !== null && { redirect_urls: [`${address}${REDIRECT_PATH}`] }),
      scopes: { bot: NEEDED_SCOPES.map(({ scope }) => scope), bot_optional: [...OPTIONAL_SCOPES] },
    },
    settings: {
      event_subscriptions: {
        ...requestUrl,
        bot_events: [
          'app_home_opened',
          'app_uninstalled',
          'reaction_added',
          'reaction_removed',
          'tokens_revoked',
        ],
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
