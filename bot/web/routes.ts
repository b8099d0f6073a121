/** @file Mounts the web chat on the bot's server: the page, its requests, its live connection. */
import type { Hono } from 'hono';
import type { WebSocketServer } from 'ws';
import type { CommandContext } from '../../commands/contract.ts';
import { KronaError } from '../../core/errors.ts';
import type { AdministrationParts } from './administration.ts';
import { createApi } from './api.ts';
import type { Identity } from './identity.ts';
import { liveConnection } from './live.ts';
import type { Pace } from '../pace.ts';
import type { Page } from './page.ts';
import type { Uploads } from './uploads.ts';
import type { WebGateway } from './web-gateway.ts';

export interface WebParts {
  readonly gateway: WebGateway;
  readonly context: CommandContext;
  readonly uploads: Uploads;
  readonly page: Page;
  readonly identity: Identity;
  readonly pace: Pace | null;
  readonly config: AdministrationParts['config'];
  readonly installLink: AdministrationParts['installLink'];
  readonly sockets: WebSocketServer;
}

export function mountWeb(app: Hono, web: WebParts): void {
  const { gateway, page, identity, sockets } = web;

  app.get('/', (context) => {
    const { moderator, invitation } = context.req.query();
    if (moderator === undefined && invitation === undefined) return page.html(context);
    if (moderator !== undefined && !identity.becomeModerator(context, moderator))
      throw new KronaError(
        'LINK_INVALID',
        'This moderator link is invalid. Copy the one that Krona prints at start.',
      );
    if (invitation !== undefined && !identity.enterByInvitation(context, invitation))
      throw new KronaError('LINK_INVALID', 'This invitation is invalid. Ask a moderator for a new one.');
    return context.redirect('/');
  });
  app.get('/assets/:name', (context) => page.asset(context, context.req.param('name')) ?? context.notFound());
  app.get('/api/live', liveConnection({ identity, gateway, sockets, bundle: page.bundle }));
  app.route('/api', createApi(web));
}
