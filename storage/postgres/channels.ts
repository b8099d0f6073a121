/** @file Channels with their settings and rules, and members. */
import { defaultRules, type ChannelRules } from '../../core/rules.ts';
import { startingSettings } from '../../core/settings/defaults.ts';
import type { ChannelSettings } from '../../core/settings/schema.ts';
import type { Channel, Member, Platform } from '../../core/records.ts';
import type { Records } from '../records.ts';
import type { Database } from './database.ts';
import { found } from './found.ts';
import { modelRecords } from './model-card.ts';
import { json, sql } from './sql.ts';

const CHANNEL = sql`id, platform, external_id AS "externalId", name, settings, age_restricted AS "ageRestricted"`;
const MEMBER = sql`id, platform, external_id AS "externalId", name, erased_at AS "erasedAt"`;

type ChannelRecords = Pick<
  Records,
  | 'channel'
  | 'channelById'
  | 'channels'
  | 'saveSettings'
  | 'rules'
  | 'saveRules'
  | 'member'
  | 'members'
  | 'memberByExternalId'
  | 'membersOf'
>;

type Row = Omit<Channel, 'settings'> & { readonly settings: ChannelSettings | Record<string, never> };

/** Settings that nobody has changed are stored as {} and follow the model. */
async function channels(db: Database, rows: readonly Row[]): Promise<Channel[]> {
  const changed = (row: Row): row is Channel => Object.keys(row.settings).length > 0;
  const starting = rows.every(changed) ? null : startingSettings(await modelRecords(db).modelCard());
  return rows.map((row) => (changed(row) ? row : { ...row, settings: starting! }));
}

export const channelRecords = (db: Database): ChannelRecords => ({
  async channel(platform, externalId, name, ageRestricted) {
    // Seen before: only what is new about it is worth a write.
    const [known] = await channels(
      db,
      await db.query<Row>(sql`
        SELECT ${CHANNEL} FROM krona.channel WHERE platform = ${platform} AND external_id = ${externalId}`),
    );
    const restricted = ageRestricted ?? known?.ageRestricted ?? false;
    if (known?.name === name && known.ageRestricted === restricted) return known;
    const saved = await db.query<Row>(sql`
      INSERT INTO krona.channel (platform, external_id, name, settings, age_restricted)
      VALUES (${platform}, ${externalId}, ${name}, ${json({})}, ${restricted})
      ON CONFLICT (platform, external_id)
      DO UPDATE SET name = excluded.name, age_restricted = excluded.age_restricted
      RETURNING ${CHANNEL}`);
    return (await channels(db, saved))[0]!;
  },

  async channelById(id) {
    const rows = await db.query<Row>(sql`SELECT ${CHANNEL} FROM krona.channel WHERE id = ${id}`);
    return (await channels(db, rows))[0] ?? null;
  },

  channels: async (platform) =>
    channels(
      db,
      await db.query<Row>(sql`
        SELECT ${CHANNEL} FROM krona.channel WHERE platform = ${platform} ORDER BY made`),
    ),

  async saveSettings(channelId, settings) {
    const saved = await db.query(sql`
      UPDATE krona.channel SET settings = ${json(settings)} WHERE id = ${channelId} RETURNING id`);
    found(saved, 'CHANNEL', channelId);
  },

  async rules(channelId) {
    const [channel] = await db.query<{ platform: Platform; rules: ChannelRules | null }>(sql`
      SELECT platform, rules FROM krona.channel WHERE id = ${channelId}`);
    found(channel ? [channel] : [], 'CHANNEL', channelId);
    // Rules that were saved before one was added to them have the default for that one.
    return { ...defaultRules(channel!.platform), ...channel!.rules };
  },

  async saveRules(channelId, rules) {
    const saved = await db.query(sql`
      UPDATE krona.channel SET rules = ${json(rules)} WHERE id = ${channelId} RETURNING id`);
    found(saved, 'CHANNEL', channelId);
  },

  async member(platform, externalId, name) {
    const [known] = await db.query<Member>(sql`
      SELECT ${MEMBER} FROM krona.member WHERE platform = ${platform} AND external_id = ${externalId}`);
    if (known?.name === name) return known;
    const [saved] = await db.query<Member>(sql`
      INSERT INTO krona.member (platform, external_id, name)
      VALUES (${platform}, ${externalId}, ${name})
      ON CONFLICT (platform, external_id) DO UPDATE SET name = excluded.name
      RETURNING ${MEMBER}`);
    return saved!;
  },

  members: (ids) => db.query<Member>(sql`SELECT ${MEMBER} FROM krona.member WHERE id = ANY (${ids})`),

  async memberByExternalId(platform, externalId) {
    const [member] = await db.query<Member>(sql`
      SELECT ${MEMBER} FROM krona.member WHERE platform = ${platform} AND external_id = ${externalId}`);
    return member ?? null;
  },

  membersOf: (channelId) =>
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
      ORDER BY name, id`),
});
