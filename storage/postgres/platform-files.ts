/** @file Our files that a platform stores apart from its messages. Triggers mark the unwanted ones. */
import type { Operation } from './database.ts';
import { sql } from './sql.ts';

const addPlatformFile: Operation<'addPlatformFile'> =
  (db) =>
  async ({ platform, serverId }, id, source) => {
    await db.query(sql`
    INSERT INTO krona.platform_file (platform, server_id, id, source)
    VALUES (${platform}, ${serverId}, ${id}, ${source})
    ON CONFLICT DO NOTHING`);
  };

const platformFile: Operation<'platformFile'> =
  (db) =>
  async ({ platform, serverId }, source) => {
    const [file] = await db.query<{ id: string }>(sql`
    SELECT id FROM krona.platform_file
    WHERE platform = ${platform} AND server_id = ${serverId} AND source = ${source} AND NOT unwanted
    ORDER BY made DESC
    LIMIT 1`);
    return file?.id ?? null;
  };

const unwantedPlatformFiles: Operation<'unwantedPlatformFiles'> =
  (db) =>
  async ({ platform, serverId }, limit) => {
    const rows = await db.query<{ id: string }>(sql`
    SELECT id FROM krona.platform_file
    WHERE platform = ${platform} AND server_id = ${serverId} AND unwanted
    ORDER BY made
    LIMIT ${limit}`);
    return rows.map(({ id }) => id);
  };

const dropStrayPlatformFiles: Operation<'dropStrayPlatformFiles'> = (db) => async (platform) => {
  await db.query(sql`
    UPDATE krona.platform_file SET unwanted = true
    WHERE platform = ${platform} AND source NOT IN (
      SELECT blob_hash FROM krona.picture
      UNION ALL SELECT blob_hash FROM krona.adapter
      UNION ALL SELECT id::text FROM krona.run
    )`);
};

const removePlatformFile: Operation<'removePlatformFile'> = (db) => async (platform, id) => {
  await db.query(sql`DELETE FROM krona.platform_file WHERE platform = ${platform} AND id = ${id}`);
};

export const platformFileOperations = {
  addPlatformFile,
  platformFile,
  unwantedPlatformFiles,
  dropStrayPlatformFiles,
  removePlatformFile,
};
