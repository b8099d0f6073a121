/** @file Models: their cards, which of them is used where, downloads of them, and accepted licences. */
import type { AcceptedLicence, Pull } from '../../core/records.ts';
import { DEFAULT_MODEL, type ModelCard } from '../../core/settings/model-card.ts';
import type { KnownModel } from '../records.ts';
import type { Operation } from './database.ts';
import { firstRow, found, onlyRow } from './rows.ts';
import { assignments, json, sql } from './sql.ts';

const saveModelCard: Operation<'saveModelCard'> =
  (db) =>
  async (card, model = DEFAULT_MODEL, pulled) => {
    await db.query(sql`
      INSERT INTO krona.model (name, card, pulled) VALUES (${model}, ${json(card)}, ${json(pulled)})
      ON CONFLICT (name) DO UPDATE SET card = excluded.card, pulled = coalesce(excluded.pulled, model.pulled)`);
  };

const modelCard: Operation<'modelCard'> =
  (db) =>
  async (model = DEFAULT_MODEL) => {
    const rows = await db.query<{ card: ModelCard }>(sql`SELECT card FROM krona.model WHERE name = ${model}`);
    return firstRow(rows)?.card ?? null;
  };

const models: Operation<'models'> = (db) => () =>
  db.query<KnownModel>(sql`SELECT name, card, pulled FROM krona.model ORDER BY name`);

const removeModel: Operation<'removeModel'> = (db) => async (model) => {
  await db.query(sql`DELETE FROM krona.model WHERE name = ${model} AND name <> ${DEFAULT_MODEL}`);
};

const chooseModel: Operation<'chooseModel'> = (db) => async (model, where) => {
  if (where.scope === 'all') {
    await db.query(sql`
      INSERT INTO krona.model_for_all (model) VALUES (${model})
      ON CONFLICT (only_row) DO UPDATE SET model = excluded.model`);
    await db.query(sql`UPDATE krona.server SET model = NULL WHERE model IS NOT NULL`);
    await db.query(sql`UPDATE krona.channel SET model = NULL WHERE model IS NOT NULL`);
    return;
  }
  const { channelId } = where;
  if (where.scope === 'channel') {
    const saved = await db.query(sql`
      UPDATE krona.channel SET model = ${model}
      WHERE id = (SELECT coalesce(parent_id, id) FROM krona.channel WHERE id = ${channelId}) RETURNING id`);
    found(saved, 'CHANNEL', channelId);
    return;
  }
  const saved = await db.query(sql`
    INSERT INTO krona.server (platform, external_id, rules, model)
    SELECT platform, server_id, '{}', ${model} FROM krona.channel
    WHERE id = ${channelId} AND server_id IS NOT NULL
    ON CONFLICT (platform, external_id) DO UPDATE SET model = excluded.model
    RETURNING external_id`);
  found(saved, 'CHANNEL', channelId);
  await db.query(sql`
    UPDATE krona.channel SET model = NULL
    FROM krona.channel AS here
    WHERE here.id = ${channelId} AND channel.platform = here.platform AND channel.server_id = here.server_id
      AND channel.model IS NOT NULL`);
};

const modelUses: Operation<'modelUses'> = (db) => async (model) =>
  onlyRow(
    await db.query<{ channels: number; work: number }>(sql`
      SELECT
        (SELECT count(*)::integer FROM krona.channel WHERE channel.model = ${model}
          OR krona.model_of(channel) = ${model})
        + (SELECT count(*)::integer FROM krona.server WHERE server.model = ${model})
        + (SELECT count(*)::integer FROM krona.model_for_all AS chosen WHERE chosen.model = ${model}) AS channels,
        (SELECT count(*)::integer FROM krona.run WHERE run.model = ${model} AND state IN ('queued', 'running'))
        + (SELECT count(*)::integer FROM krona.picture_set AS made
          WHERE made.model = ${model} AND state IN ('queued', 'running')) AS work`),
  );

export const PULL = sql`
  id, channel_id AS "channelId", member_id AS "memberId", model, state, progress, failure, revision,
  created_at AS "createdAt", ended_at AS "endedAt"`;

const addPull: Operation<'addPull'> =
  (db) =>
  async ({ id, channelId, memberId, model }) =>
    onlyRow(
      await db.query<Pull>(sql`
        INSERT INTO krona.pull (id, channel_id, member_id, model, state)
        VALUES (${id}, ${channelId}, ${memberId}, ${model}, 'queued')
        RETURNING ${PULL}`),
    );

const pull: Operation<'pull'> = (db) => async (id) =>
  firstRow(await db.query<Pull>(sql`SELECT ${PULL} FROM krona.pull WHERE id = ${id}`));

const openPull: Operation<'openPull'> = (db) => async (model) =>
  firstRow(
    await db.query<Pull>(
      sql`SELECT ${PULL} FROM krona.pull WHERE model = ${model} AND state IN ('queued', 'running')`,
    ),
  );

const openPulls: Operation<'openPulls'> = (db) => () =>
  db.query<Pull>(
    sql`SELECT ${PULL} FROM krona.pull WHERE state IN ('queued', 'running') ORDER BY created_at, id`,
  );

const updatePull: Operation<'updatePull'> = (db) => async (id, change) => {
  const columns = assignments({
    state: change.state,
    progress: json(change.progress),
    failure: json(change.failure),
    ended_at: change.endedAt,
  });
  const changed = await db.query(sql`
    UPDATE krona.pull SET revision = krona.next_revision()${columns} WHERE id = ${id} RETURNING id`);
  found(changed, 'PULL', id);
};

export const LICENCE = sql`licence, member_id AS "memberId", accepted_at AS "acceptedAt"`;

const acceptLicence: Operation<'acceptLicence'> = (db) => async (licence, memberId) => {
  await db.query(sql`
    INSERT INTO krona.accepted_licence (licence, member_id) VALUES (${licence}, ${memberId})
    ON CONFLICT (licence) DO NOTHING`);
};

const acceptedLicence: Operation<'acceptedLicence'> = (db) => async (licence) =>
  firstRow(
    await db.query<AcceptedLicence>(
      sql`SELECT ${LICENCE} FROM krona.accepted_licence WHERE licence = ${licence}`,
    ),
  );

export const modelOperations = {
  saveModelCard,
  modelCard,
  models,
  removeModel,
  chooseModel,
  modelUses,
  addPull,
  pull,
  openPull,
  openPulls,
  updatePull,
  acceptLicence,
  acceptedLicence,
};
