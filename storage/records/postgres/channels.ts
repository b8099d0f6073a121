/** @file Channels with their settings, and members. */
import { DEFAULT_SETTINGS } from '../../settings.ts';
import type { Channel, Member, Records } from '../contract.ts';
import type { Database } from './database.ts';
import { found } from './found.ts';
import { json, sql } from './sql.ts';

const CHANNEL = sql`id, platform, external_id AS "externalId", name, settings`;
const MEMBER = sql`id, platform, external_id AS "externalId", name`;

type ChannelRecords = Pick<
  Records,
  'channel' | 'channelById' | 'channels' | 'saveSettings' | 'member' | 'members'
>;

export const channelRecords = (db: Database): ChannelRecords => ({
  async channel(platform, externalId, name) {
    // Seen before: only a new name is worth a write.
    const [known] = await db.query<Channel>(sql`
      SELECT ${CHANNEL} FROM krona.channel WHERE platform = ${platform} AND external_id = ${externalId}`);
    if (known?.name === name) return known;
    const [saved] = await db.query<Channel>(sql`
      INSERT INTO krona.channel (platform, external_id, name, settings)
      VALUES (${platform}, ${externalId}, ${name}, ${json(DEFAULT_SETTINGS)})
      ON CONFLICT (platform, external_id) DO UPDATE SET name = excluded.name
      RETURNING ${CHANNEL}`);
    return saved!;
  },

  async channelById(id) {
    const [channel] = await db.query<Channel>(sql`SELECT ${CHANNEL} FROM krona.channel WHERE id = ${id}`);
    return channel ?? null;
  },

  channels: (platform) =>
    db.query<Channel>(sql`
      SELECT ${CHANNEL} FROM krona.channel WHERE platform = ${platform} ORDER BY made`),

  async saveSettings(channelId, settings) {
    const saved = await db.query(sql`
      UPDATE krona.channel SET settings = ${json(settings)} WHERE id = ${channelId} RETURNING id`);
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
});
