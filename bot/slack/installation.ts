/** @file What the tokens for Slack can do: asked by `krona doctor`. */
import type { SlackConfig } from '../../core/config.ts';
import { isTokenDead, tokenInvalid } from './failures.ts';
import { NEEDED_SCOPES } from './scopes.ts';
import { SlackApi } from './web-api.ts';

export interface TokenReach {
  /** Name of the workspace. */
  readonly workspace: string;
  /** Scopes that the app lacks; none where Slack doesn't tell which it has. */
  readonly missing: typeof NEEDED_SCOPES;
}

/** @throws KronaError SLACK_TOKEN_INVALID, SLACK_UNREACHABLE */
export async function describeInstallation(
  botToken: string,
  { appToken, api }: SlackConfig,
): Promise<TokenReach> {
  const silent = { info: () => {}, warn: () => {}, error: () => {} };
  const web = new SlackApi(botToken, api, silent);
  try {
    const who = await web
      .call('auth.test', (client) => client.auth.test())
      .catch((error: unknown) => {
        throw isTokenDead(error) ? tokenInvalid('SLACK_BOT_TOKEN', error) : error;
      });
    if (appToken !== null && !appToken.startsWith('xapp-')) throw tokenInvalid('SLACK_APP_TOKEN');
    return { workspace: who.team ?? 'Slack', missing: missingScopes(who.response_metadata?.scopes ?? []) };
  } finally {
    web.close();
  }
}

/** Those of NEEDED_SCOPES that were not granted. */
export function missingScopes(granted: readonly string[]): typeof NEEDED_SCOPES {
  return granted.length === 0 ? [] : NEEDED_SCOPES.filter(({ scope }) => !granted.includes(scope));
}
