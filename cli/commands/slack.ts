/** @file `krona slack manifest`: the app manifest, from which Slack creates an app for Krona in one step. */
import type { Command } from 'commander';
import { appManifest, creationLink } from '../../bot/slack/manifest.ts';
import { KronaError } from '../../core/errors.ts';
import { action, type Shell } from '../output.ts';

export function define(slack: Command, shell: Shell): void {
  const manifest = slack
    .command('manifest')
    .description('print the app manifest, and a link that creates the app from it')
    .option(
      '--http <url>',
      'receive events over HTTP at this address of the bot (default: Socket Mode, which needs no address)',
    );
  action(manifest, shell, async (_io, options: { http?: string }) => {
    const made = appManifest(options.http === undefined ? null : publicAddress(options.http));
    const link = creationLink(made);
    return {
      json: { manifest: made, link },
      text: `${JSON.stringify(made, null, 2)}\n\nCreate the app: ${link}`,
    };
  });
}

/** @throws KronaError ADDRESS_INVALID */
function publicAddress(text: string): string {
  if (URL.canParse(text) && new URL(text).protocol === 'https:') return text.replace(/\/+$/, '');
  throw new KronaError(
    'ADDRESS_INVALID',
    'Slack sends events only to https addresses. Give the address of the bot, such as --http https://krona.example.org, the same as KRONA_URL.',
  );
}
