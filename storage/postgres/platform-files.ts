/** @file Files of ours that a platform keeps apart from its messages. What becomes unwanted, triggers say. */
import type { Records } from '../records.ts';
import type { Database } from './database.ts';
import { sql } from './sql.ts';

type PlatformFileRecords = Pick<
  Records,
  | 'addPlatformFile'
  | 'platformFile'
  | 'unwantedPlatformFiles'
  | 'dropStrayPlatformFiles'
  | 'removePlatformFile'
>;

export const platformFileRecords = (db: Database): PlatformFileRecords => ({
  async addPlatformFile(platform, id, source) {
    await db.query(sql`
      INSERT INTO krona.platform_file (platform, id, source)
      VALUES (${platform}, ${id}, ${source})
      ON CONFLICT DO NOTHING`);
  },

  async platformFile(platform, source) {
    const [file] = await db.query<{ id: string }>(sql`
      SELECT id FROM krona.platform_file
      WHERE platform = ${platform} AND source = ${source} AND NOT unwanted
      ORDER BY made DESC
      LIMIT 1`);
    return file?.id ?? null;
  },

  async unwantedPlatformFiles(platform, limit) {
    const rows = await db.query<{ id: string }>(sql`
      SELECT id FROM krona.platform_file WHERE platform = ${platform} AND unwanted ORDER BY made LIMIT ${limit}`);
    return rows.map(({ id }) => id);
  },

  async dropStrayPlatformFiles(platform) {
    await db.query(sql`
      UPDATE krona.platform_file SET unwanted = true
      WHERE platform = ${platform} AND source NOT IN (
        SELECT blob_hash FROM krona.picture
        UNION ALL SELECT blob_hash FROM krona.adapter
        UNION ALL SELECT id::text FROM krona.run
      )`);
  },

  async removePlatformFile(platform, id) {
    await db.query(sql`DELETE FROM krona.platform_file WHERE platform = ${platform} AND id = ${id}`);
  },
});
