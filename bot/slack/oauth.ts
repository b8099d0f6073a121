/**
 * @file Installing the app in further workspaces: OAuth 2.0 with a state that only the browser that began has, and with PKCE
 * where the app has no secret. https://docs.slack.dev/authentication/installing-with-oauth
 */
import { createHash, randomBytes } from 'node:crypto';
import { webApi } from '@slack/bolt';
import type { Context, Hono } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import * as v from 'valibot';
import type { SlackOAuth } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { RecentMap } from '../../core/recent.ts';
import { isSameSecret } from '../../core/same-secret.ts';
import { htmlPage } from '../html-page.ts';
import { codeOf, reasonOf } from './failures.ts';
import { checkInstallKey, INSTALL_PATH } from './install-link.ts';
import { NEEDED_SCOPES, OPTIONAL_SCOPES } from './scopes.ts';
import { clientOptions } from './web-api.ts';

/** Where Slack sends the browser back. */
export const REDIRECT_PATH = '/slack/oauth';
const AUTHORIZE = 'https://slack.com/oauth/v2/authorize';
const COOKIE = 'krona-slack-install';
/** How long an installation may take, s. */
const LASTS = 600;
/** Installations under way at most; the oldest are forgotten. */
const MOST = 1_000;

/** What a workspace's administrator has granted. */
export interface Installed {
  /** Slack's id and name of the workspace. */
  readonly team: string;
  readonly name: string;
  /** The bot's, `xoxb-…`. */
  readonly token: string;
}

export interface OAuthParts {
  readonly app: SlackOAuth;
  /** The Web API's address; null: Slack's own. */
  readonly api: string | null;
  /** Signs the links to install. */
  readonly secret: string;
  readonly log: Log;
  /** The bot's public address. */
  address(): string;
  onInstalled(installed: Installed): Promise<void>;
}

interface Begun {
  /** Of PKCE; null where the app has a secret. */
  readonly verifier: string | null;
  /** ms (monotonic) */
  readonly until: number;
}

const ANSWER = v.object({
  access_token: v.pipe(v.string(), v.startsWith('xoxb-')),
  team: v.nullish(v.object({ id: v.string(), name: v.optional(v.string()) })),
  is_enterprise_install: v.optional(v.boolean()),
});

export class OAuth {
  readonly #parts: OAuthParts;
  readonly #begun = new RecentMap<string, Begun>(MOST);

  constructor(parts: OAuthParts) {
    this.#parts = parts;
  }

  mount(server: Hono): void {
    server.get(INSTALL_PATH, (context) => this.#begin(context));
    server.get(REDIRECT_PATH, (context) => this.#finish(context));
  }

  /** Sends the browser to Slack. @throws KronaError SLACK_INSTALL_LINK */
  #begin(context: Context): Response {
    checkInstallKey(context.req.query('key') ?? '', this.#parts.secret);
    const state = randomBytes(32).toString('base64url');
    const verifier = this.#parts.app.clientSecret === null ? randomBytes(32).toString('base64url') : null;
    this.#begun.set(state, { verifier, until: performance.now() + LASTS * 1000 });
    const url = new URL(AUTHORIZE);
    const asked = {
      client_id: this.#parts.app.clientId,
      scope: [...NEEDED_SCOPES.map(({ scope }) => scope), ...OPTIONAL_SCOPES].join(),
      redirect_uri: this.#redirectUri(),
      state,
      ...(verifier !== null && {
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      }),
    };
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    setCookie(context, COOKIE, state, {
      ...{ path: REDIRECT_PATH, httpOnly: true, sameSite: 'Lax', maxAge: LASTS },
      secure: this.#redirectUri().startsWith('https:'),
    });
    return context.redirect(url.href);
  }

  /** Slack has sent the browser back. @throws KronaError SLACK_STATE, SLACK_INSTALL_REFUSED, SLACK_ORG_INSTALL */
  async #finish(context: Context): Promise<Response> {
    const { state = '', code, error } = context.req.query();
    const begun = this.#take(state, getCookie(context, COOKIE) ?? '');
    if (error !== undefined || code === undefined)
      throw refused(error === undefined ? 'no_code' : codeOf(error));
    const installed = await this.#exchange(code, begun);
    await this.#parts.onInstalled(installed);
    this.#parts.log.info({ workspace: installed.team }, 'Slack: Krona was installed in a workspace');
    return context.html(htmlPage(`Krona is in ${installed.name}`, 'Now invite @krona to a channel there.'));
  }

  /** Each state counts once, and in the browser that began with it. @throws KronaError SLACK_STATE */
  #take(state: string, cookie: string): Begun {
    const begun = this.#begun.get(state);
    this.#begun.delete(state);
    if (begun !== undefined && isSameSecret(state, cookie) && performance.now() < begun.until) return begun;
    throw new KronaError(
      'SLACK_STATE',
      'This installation did not begin in this browser, has ended, or took more than ten minutes. Open the link to install Krona again.',
    );
  }

  async #exchange(code: string, { verifier }: Begun): Promise<Installed> {
    const { app, api, log } = this.#parts;
    const client = new webApi.WebClient(undefined, clientOptions(api, log));
    const answer: unknown = await client
      .apiCall('oauth.v2.access', {
        client_id: app.clientId,
        code,
        redirect_uri: this.#redirectUri(),
        ...(app.clientSecret !== null && { client_secret: app.clientSecret }),
        ...(verifier !== null && { code_verifier: verifier }),
      })
      .catch((cause: unknown) => {
        throw refused(reasonOf(cause), cause);
      });
    const { success, output } = v.safeParse(ANSWER, answer);
    if (!success) throw refused('its answer has no bot token');
    const { access_token: token, team, is_enterprise_install: isOfOrganization } = output;
    if (isOfOrganization === true || !team)
      throw new KronaError(
        'SLACK_ORG_INSTALL',
        'Krona can be installed in a workspace, not in a whole organization. Choose a workspace.',
      );
    return { team: team.id, name: team.name ?? team.id, token };
  }

  #redirectUri(): string {
    return this.#parts.address() + REDIRECT_PATH;
  }
}

const refused = (reason: string | null, cause?: unknown): KronaError =>
  new KronaError(
    'SLACK_INSTALL_REFUSED',
    reason === 'access_denied'
      ? 'The installation was cancelled. Open the link again to install Krona.'
      : `Slack refused the installation: ${reason ?? 'it gave no reason'}. Open the link to install Krona again.`,
    { cause },
  );
