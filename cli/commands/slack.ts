/** @file `krona slack manifest`: the app manifest with which Slack makes an app for Krona in one step. */
import type { Command } from 'commander';
import { appManifest, creationLink } from '../../bot/slack/manifest.ts';
import { KronaError } from '../../core/errors.ts';
import { action, type Shell } from '../output.ts';

export function define(slack: Command, shell: Shell): void {
  const manifest = slack
    .command('manifest')
    .description('print the app manifest, and the link that creates the app from it')
    .option(
      '--http <url>',
      'events come over HTTP to this address of the bot (default: Socket Mode, no address)',
    );
  action(manifest, shell, async (_io, options: { http?: string }) => {
    const made = appManifest(options.http === undefined ? null : publicAddress(options.http));
    const link = creationLink(made);
    return {
      json: { manifest: made, link },
      text: `${JSON.stringify(made, null, 2)}\n\nOpen this link to create the app from it:\n${link}`,
    };
  });
}

/** @throws KronaError ADDRESS_INVALID */
function publicAddress(text: string): string {
  if (URL.canParse(text) && new URL(text).protocol === 'https:') return text.replace(/\/+$/, '');
  throw new KronaError(
    'ADDRESS_INVALID',
    'Slack sends events to https addresses only; give the bot’s as --http https://krona.example.org, the same as KRONA_URL.',
  );
}
