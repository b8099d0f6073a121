/** @file Tokens of the REST API, and what their webhooks are told. */
import type { ApiToken, ListedToken, WebhookDelivery } from '../../core/api-tokens.ts';
import type { Operation } from './database.ts';
import { firstRow } from './rows.ts';
import { sql } from './sql.ts';

const TOKEN = sql`
  id, channel_id AS "channelId", member_id AS "memberId", name, made_by AS "madeBy", webhook,
  created_at AS "createdAt", used_at AS "usedAt"`;

const addApiToken: Operation<'addApiToken'> =
  (db) =>
  async ({ id, channelId, memberId, name, madeBy, webhook, hash }) => {
    await db.query(sql`
      INSERT INTO krona.api_token (id, channel_id, member_id, name, made_by, webhook, hash)
      VALUES (${id}, ${channelId}, ${memberId}, ${name}, ${madeBy}, ${webhook}, ${hash})`);
  };

const useApiToken: Operation<'useApiToken'> = (db) => async (hash) => {
  const token = firstRow(
    await db.query<ApiToken>(sql`SELECT ${TOKEN} FROM krona.api_token WHERE hash = ${hash}`),
  );
  // Not at each request: a row version each would be many.
  if (token !== null)
    await db.query(sql`
      UPDATE krona.api_token SET used_at = clock_timestamp()
      WHERE id = ${token.id} AND (used_at IS NULL OR used_at < clock_timestamp() - interval '1 minute')`);
  return token;
};

const listApiTokens: Operation<'listApiTokens'> = (db) => () =>
  db.query<ListedToken>(sql`
    SELECT token.id, token.name, token.webhook, token.created_at AS "createdAt", token.used_at AS "usedAt",
      channel.name AS "channelName", channel.platform, maker.name AS "madeByName",
      (SELECT count(*) FROM krona.webhook_delivery
        WHERE token_id = token.id AND tries > 0 AND next_at IS NOT NULL)::int AS undelivered
    FROM krona.api_token AS token
    JOIN krona.channel ON channel.id = token.channel_id
    JOIN krona.member AS maker ON maker.id = token.made_by
    ORDER BY token.created_at, token.id`);

const removeApiToken: Operation<'removeApiToken'> = (db) => async (id) =>
  firstRow(await db.query<ApiToken>(sql`DELETE FROM krona.api_token WHERE id = ${id} RETURNING ${TOKEN}`));

const noteEndedWork: Operation<'noteEndedWork'> = (db) => async () => {
  await db.query(sql`
    INSERT INTO krona.webhook_delivery (token_id, work_id)
    SELECT token.id, work.id FROM krona.api_token AS token
    JOIN (
      SELECT id, member_id, state, ended_at FROM krona.run
      UNION ALL
      SELECT id, member_id, state, ended_at FROM krona.picture_set WHERE run_id IS NULL
    ) AS work ON work.member_id = token.member_id
    WHERE token.webhook IS NOT NULL AND work.state NOT IN ('queued', 'running') AND work.ended_at > token.created_at
    ON CONFLICT DO NOTHING`);
};

const dueDeliveries: Operation<'dueDeliveries'> =
  (db) =>
  (limit, except = []) =>
    db.query<WebhookDelivery>(sql`
      SELECT due.id, token.id AS "tokenId", work_id AS "workId", webhook, tries
      FROM krona.api_token AS token CROSS JOIN LATERAL (
        SELECT id, work_id, tries, next_at FROM krona.webhook_delivery
        WHERE token_id = token.id AND next_at <= clock_timestamp() ORDER BY next_at LIMIT ${limit}
      ) AS due
      WHERE webhook IS NOT NULL AND token.id <> ALL (${except}::uuid[]) ORDER BY due.next_at`);

const markDelivery: Operation<'markDelivery'> = (db) => async (id, seconds) => {
  const next = seconds === null ? sql`NULL` : sql`clock_timestamp() + make_interval(secs => ${seconds})`;
  await db.query(
    sql`UPDATE krona.webhook_delivery SET tries = tries + 1, next_at = ${next} WHERE id = ${id}`,
  );
};

const forgetDeliveries: Operation<'forgetDeliveries'> = (db) => async (workId) => {
  await db.query(sql`DELETE FROM krona.webhook_delivery WHERE work_id = ${workId}`);
};

export const apiTokenOperations = {
  addApiToken,
  useApiToken,
  listApiTokens,
  removeApiToken,
  noteEndedWork,
  dueDeliveries,
  markDelivery,
  forgetDeliveries,
};
