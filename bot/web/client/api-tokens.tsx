/** @file Tokens of the REST API, on the administrator's page: who has one, a new one, and the end of one. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { AdministrationView } from '../protocol.ts';
import { answerOf, api, messageOf } from './api.ts';
import { ChannelOptions } from './channel-options.tsx';
import { ago } from './format.ts';
import { Table } from './table.tsx';

interface ApiTokensProps extends Pick<AdministrationView, 'tokens' | 'channels' | 'webhooks'> {
  readonly onChange: () => void;
}

interface AskedToken {
  readonly channel: string;
  readonly name: string;
  readonly webhook: string;
}

interface Made {
  readonly token: string;
  readonly webhookKey: string | null;
}

export function ApiTokens({ tokens, channels, webhooks, onChange }: ApiTokensProps): JSX.Element {
  const [made, setMade] = useState<Made | null>(null);
  const [error, setError] = useState<string | null>(null);
  const act = (what: Promise<unknown>) => {
    setError(null);
    what.then(onChange).catch((failure: unknown) => setError(messageOf(failure)));
  };
  const make = (asked: AskedToken, reset: () => void) =>
    act(
      answerOf<Made>(api.administration.tokens.$post({ json: asked })).then((answer) => {
        setMade(answer);
        reset();
      }),
    );
  return (
    <>
      <p>
        Scripts train and draw in a channel with a token, within its rules and quotas.{' '}
        <a href="/api/v1/openapi.json">OpenAPI document</a>
      </p>
      <NewToken channels={channels} webhooks={webhooks} onMake={make} />
      {error !== null && (
        <p class="failed" role="alert">
          {error}
        </p>
      )}
      {made !== null && <Secret {...made} />}
      {tokens.length > 0 && (
        <Table
          columns={['name', 'channel', 'made by', 'last used', 'webhook', '']}
          rows={tokens.map((token) => [
            token.name,
            <span key="channel">
              #{token.channelName} <small>{token.platform}</small>
            </span>,
            token.madeByName,
            token.usedAt === null ? 'never' : ago(token.usedAt),
            `${token.webhook ?? 'none'}${token.undelivered > 0 ? `, ${token.undelivered} not told yet` : ''}`,
            <button
              key="revoke"
              type="button"
              class="button"
              onClick={() =>
                act(answerOf(api.administration.tokens[':id'].$delete({ param: { id: token.id } })))
              }
            >
              Revoke
            </button>,
          ])}
        />
      )}
    </>
  );
}

interface NewTokenProps extends Pick<AdministrationView, 'channels' | 'webhooks'> {
  readonly onMake: (asked: AskedToken, reset: () => void) => void;
}

function NewToken({ channels, webhooks, onMake }: NewTokenProps): JSX.Element {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const form = event.currentTarget;
        const given = new FormData(form);
        const of = (name: string) => {
          const value = given.get(name);
          return typeof value === 'string' ? value : '';
        };
        onMake({ channel: of('channel'), name: of('name'), webhook: of('webhook') }, () => form.reset());
      }}
    >
      <label>
        Channel
        <select name="channel">
          <ChannelOptions channels={channels} />
        </select>
      </label>
      <label>
        Name
        <input name="name" required maxLength={32} />
      </label>
      {webhooks && (
        <label>
          Webhook (optional)
          <input name="webhook" type="url" placeholder="https://…" />
        </label>
      )}
      <button type="submit" class="button">
        Make a token
      </button>
    </form>
  );
}

/** A new token; nobody can see it again. */
function Secret({ token, webhookKey }: Made): JSX.Element {
  const field = (label: string, value: string) => (
    <label>
      {label}
      <input readOnly value={value} onFocus={(event) => event.currentTarget.select()} />
    </label>
  );
  return (
    <div class="secret" role="status">
      {field('Copy the token now: it is not shown again.', token)}
      {webhookKey !== null && field('The key that signs what the webhook is sent', webhookKey)}
    </div>
  );
}
