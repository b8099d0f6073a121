/** @file Mounts the web chat on the bot's server: the page, its requests, its live connection. */
import type { Hono } from 'hono';
import type { CommandContext } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import { createApi } from './api.ts';
import { Channels } from './channels.ts';
import { becomeModerator } from './identity.ts';
import { liveConnection } from './live.ts';
import type { Page } from './page.ts';
import type { Uploads } from './uploads.ts';
import type { WebGateway } from './web-gateway.ts';

export interface WebParts {
  readonly gateway: WebGateway;
  readonly context: CommandContext;
  readonly uploads: Uploads;
  readonly page: Page;
  readonly secret: string;
  /** Members reach the chat over HTTPS. */
  readonly secure: boolean;
}

export function mountWeb(app: Hono, web: WebParts): void {
  const { gateway, page, secret, secure } = web;
  const { records } = web.context;
  const channels = new Channels(records);

  app.get('/', (context) => {
    const key = context.req.query('moderator');
    if (key === undefined) return page.html(context);
    if (!becomeModerator(context, secret, key, secure))
      throw new KronaError(
        'LINK_INVALID',
        'This moderator link is invalid. Copy the one that Krona prints at start.',
      );
    return context.redirect('/');
  });
  app.get('/assets/:name', (context) => page.asset(context, context.req.param('name')) ?? context.notFound());
  app.get('/api/live', liveConnection({ records, channels, hub: gateway.hub, bundle: page.bundle }));
  app.route('/api', createApi({ ...web, channels }));
}
