/** @file Channels with their settings and rules, and members. */
import { DEFAULT_SERVER_RULES, defaultRules, type ChannelRules, type ServerRules } from '../../core/rules.ts';
import { startingSettings } from '../../core/settings/defaults.ts';
import type { ChannelSettings } from '../../core/settings/schema.ts';
import type { Channel, Member, Platform } from '../../core/records.ts';
import type { ChannelFacts } from '../records.ts';
import type { Database, Operation } from './database.ts';
import { modelOperations } from './models.ts';
import { firstRow, found, onlyRow } from './rows.ts';
import { json, sql } from './sql.ts';

// A thread is as restricted as its channel, also when that changes.
const CHANNEL = sql`
  id, platform, external_id AS "externalId", server_id AS "serverId", name, krona.model_of(channel) AS model,
  CASE krona.model_of(channel)
    WHEN 'default' THEN settings
    ELSE coalesce(model_settings -> krona.model_of(channel), '{}')
  END AS settings,
  coalesce(
    (SELECT parent.age_restricted FROM krona.channel AS parent WHERE parent.id = channel.parent_id),
    age_restricted
  ) AS "ageRestricted"`;
const MEMBER = sql`id, platform, external_id AS "externalId", name, erased_at AS "erasedAt"`;

type Row = Omit<Channel, 'settings'> & { readonly settings: ChannelSettings | Record<string, never> };

const isChanged = (row: Row): row is Channel => Object.keys(row.settings).length > 0;

/** Fills in settings that nobody has changed: they are stored as {} and follow the model. */
async function withSettings(db: Database, rows: readonly Row[]): Promise<Channel[]> {
  if (rows.every(isChanged)) return [...rows];
  const followed = new Set(rows.flatMap((row) => (isChanged(row) ? [] : [row.model])));
  const settings = new Map<string, ChannelSettings>();
  for (const model of followed)
    settings.set(model, startingSettings(await modelOperations.modelCard(db)(model)));
  return rows.map((row) =>
    isChanged(row) ? row : { ...row, settings: settings.get(row.model) ?? startingSettings(null) },
  );
}

interface KnownRow extends Row {
  readonly ownAge: boolean;
  readonly parentId: string | null;
}

const channel: Operation<'channel'> =
  (db) =>
  async (platform, externalId, name, facts = {}) => {
    const parent = facts.parent && (await parentOf(db, platform, facts.parent, facts));
    const [known] = await db.query<KnownRow>(sql`
    SELECT ${CHANNEL}, age_restricted AS "ownAge", parent_id AS "parentId"
    FROM krona.channel WHERE platform = ${platform} AND external_id = ${externalId}`);
    const reported = {
      ownAge: facts.ageRestricted ?? known?.ownAge ?? false,
      parentId: parent ?? known?.parentId ?? null,
      serverId: facts.serverId ?? known?.serverId ?? null,
    };
    // A known channel is written only when something has changed.
    if (known !== undefined) {
      const { ownAge, parentId, ...row } = known;
      const isSame =
        row.name === name &&
        ownAge === reported.ownAge &&
        parentId === reported.parentId &&
        row.serverId === reported.serverId;
      if (isSame) return onlyRow(await withSettings(db, [row]));
    }
    const { ownAge, parentId, serverId } = reported;
    const saved = await db.query<Row>(sql`
    INSERT INTO krona.channel (platform, external_id, name, settings, age_restricted, parent_id, server_id)
    VALUES (${platform}, ${externalId}, ${name}, ${json({})}, ${ownAge}, ${parentId}, ${serverId})
    ON CONFLICT (platform, external_id) DO UPDATE SET
      name = excluded.name, age_restricted = excluded.age_restricted,
      parent_id = excluded.parent_id, server_id = excluded.server_id
    RETURNING ${CHANNEL}`);
    return onlyRow(await withSettings(db, saved));
  };

/** The id of a thread's channel, which may be new: nobody has to use Krona in it. */
async function parentOf(
  db: Database,
  platform: Platform,
  { externalId, name }: NonNullable<ChannelFacts['parent']>,
  { ageRestricted, serverId }: ChannelFacts,
): Promise<string> {
  return (await channel(db)(platform, externalId, name, { ageRestricted, serverId })).id;
}

const channelById: Operation<'channelById'> = (db) => async (id) => {
  const rows = await db.query<Row>(sql`SELECT ${CHANNEL} FROM krona.channel WHERE id = ${id}`);
  return firstRow(await withSettings(db, rows));
};

const channelByExternalId: Operation<'channelByExternalId'> = (db) => async (platform, externalId) => {
  const rows = await db.query<Row>(sql`
    SELECT ${CHANNEL} FROM krona.channel WHERE platform = ${platform} AND external_id = ${externalId}`);
  return firstRow(await withSettings(db, rows));
};

const channels: Operation<'channels'> = (db) => async (platform) =>
  withSettings(
    db,
    await db.query<Row>(sql`
      SELECT ${CHANNEL} FROM krona.channel WHERE platform = ${platform} ORDER BY made`),
  );

const deleteChannel: Operation<'deleteChannel'> = (db) => async (id) => {
  await db.query(sql`DELETE FROM krona.channel WHERE id = ${id}`);
};

const saveSettings: Operation<'saveSettings'> = (db) => async (channelId, settings) => {
  const saved = await db.query(sql`
    UPDATE krona.channel SET
      settings = CASE krona.model_of(channel) WHEN 'default' THEN ${json(settings)} ELSE settings END,
      model_settings = CASE krona.model_of(channel)
        WHEN 'default' THEN model_settings
        ELSE model_settings || jsonb_build_object(krona.model_of(channel), ${json(settings)}::jsonb)
      END
    WHERE id = ${channelId} RETURNING id`);
  found(saved, 'CHANNEL', channelId);
};

/** The id of the channel whose rules hold in a channel: that of a thread, else itself. */
const home = (channelId: string) =>
  sql`SELECT coalesce(parent_id, id) FROM krona.channel WHERE id = ${channelId}`;

const rules: Operation<'rules'> = (db) => async (channelId) => {
  const rows = await db.query<{ platform: Platform; rules: ChannelRules | null }>(sql`
    SELECT platform, rules FROM krona.channel WHERE id = (${home(channelId)})`);
  const saved = found(rows, 'CHANNEL', channelId);
  // Rules that were saved by an earlier release get the default for newer rules.
  const usual = defaultRules(saved.platform);
  return {
    ...usual,
    ...saved.rules,
    member: { ...usual.member, ...saved.rules?.member },
    channel: { ...usual.channel, ...saved.rules?.channel },
  };
};

const saveRules: Operation<'saveRules'> = (db) => async (channelId, rules) => {
  const saved = await db.query(sql`
    UPDATE krona.channel SET rules = ${json(rules)} WHERE id = (${home(channelId)}) RETURNING id`);
  found(saved, 'CHANNEL', channelId);
};

const serverRules: Operation<'serverRules'> = (db) => async (channelId) => {
  const rows = await db.query<{ serverId: string | null; rules: ServerRules | null }>(sql`
    SELECT channel.server_id AS "serverId", server.rules
    FROM krona.channel
    LEFT JOIN krona.server ON server.platform = channel.platform AND server.external_id = channel.server_id
    WHERE channel.id = ${channelId}`);
  const { serverId, rules } = found(rows, 'CHANNEL', channelId);
  if (serverId === null) return null;
  const { member, server } = DEFAULT_SERVER_RULES;
  return {
    ...DEFAULT_SERVER_RULES,
    ...rules,
    member: { ...member, ...rules?.member },
    server: { ...server, ...rules?.server },
  };
};

const saveServerRules: Operation<'saveServerRules'> = (db) => async (channelId, rules) => {
  const saved = await db.query(sql`
    INSERT INTO krona.server (platform, external_id, rules)
    SELECT platform, server_id, ${json(rules)}::jsonb FROM krona.channel
    WHERE id = ${channelId} AND server_id IS NOT NULL
    ON CONFLICT (platform, external_id) DO UPDATE SET rules = excluded.rules
    RETURNING external_id`);
  found(saved, 'CHANNEL', channelId);
};

const startRules: Operation<'startRules'> = (db) => async (channelId, rules) => {
  await db.query(
    sql`UPDATE krona.channel SET rules = ${json(rules)} WHERE id = ${channelId} AND rules IS NULL`,
  );
};

const isBlocked: Operation<'isBlocked'> = (db) => async (platform, memberId) => {
  const blocked = json([memberId]);
  const channels = await db.query(sql`
    SELECT rules FROM krona.channel WHERE platform = ${platform} AND rules -> 'blocked' @> ${blocked}
    UNION ALL
    SELECT rules FROM krona.server WHERE platform = ${platform} AND rules -> 'blocked' @> ${blocked}
    LIMIT 1`);
  return channels.length > 0;
};

const member: Operation<'member'> = (db) => async (platform, externalId, name) => {
  const [known] = await db.query<Member>(sql`
    SELECT ${MEMBER} FROM krona.member WHERE platform = ${platform} AND external_id = ${externalId}`);
  // Where the platform did not tell the name, it is the id.
  if (known?.name === name || (known !== undefined && name === externalId)) return known;
  const rows = await db.query<Member>(sql`
    INSERT INTO krona.member (platform, external_id, name)
    VALUES (${platform}, ${externalId}, ${name})
    ON CONFLICT (platform, external_id) DO UPDATE SET name = excluded.name
    RETURNING ${MEMBER}`);
  return onlyRow(rows);
};

const members: Operation<'members'> = (db) => (ids) =>
  db.query<Member>(sql`SELECT ${MEMBER} FROM krona.member WHERE id = ANY (${ids})`);

const membersOn: Operation<'membersOn'> = (db) => (platform) =>
  db.query<Member>(sql`SELECT ${MEMBER} FROM krona.member WHERE platform = ${platform}`);

const memberByExternalId: Operation<'memberByExternalId'> = (db) => async (platform, externalId) =>
  firstRow(
    await db.query<Member>(sql`
    SELECT ${MEMBER} FROM krona.member WHERE platform = ${platform} AND external_id = ${externalId}`),
  );

const membersOf: Operation<'membersOf'> = (db) => (channelId) =>
  db.query<Member>(sql`
    SELECT ${MEMBER} FROM krona.member
    WHERE id IN (
      SELECT member_id FROM krona.audit_entry WHERE channel_id = ${channelId}
      UNION SELECT owner_id FROM krona.subject WHERE channel_id = ${channelId}
      UNION SELECT member_id FROM krona.run WHERE channel_id = ${channelId}
      UNION SELECT member_id FROM krona.picture_set WHERE channel_id = ${channelId}
      UNION SELECT photo.member_id
        FROM krona.photo JOIN krona.subject ON subject.id = photo.subject_id
        WHERE subject.channel_id = ${channelId}
      UNION SELECT vote_fact.member_id
        FROM krona.vote_fact
        JOIN krona.picture ON picture.id = vote_fact.picture_id
        JOIN krona.picture_set ON picture_set.id = picture.set_id
        WHERE picture_set.channel_id = ${channelId}
      UNION SELECT member_id FROM krona.chat_line WHERE channel_id = ${channelId}
    )
    ORDER BY name, id`);

export const channelOperations = {
  channel,
  channelById,
  channelByExternalId,
  channels,
  deleteChannel,
  saveSettings,
  rules,
  saveRules,
  serverRules,
  saveServerRules,
  startRules,
  isBlocked,
  member,
  members,
  membersOn,
  memberByExternalId,
  membersOf,
};
