/** @file Workspaces in which the app was installed by OAuth. */
import type { Installation } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { sql } from './sql.ts';

const saveInstallation: Operation<'saveInstallation'> =
  (db) =>
  async ({ platform, serverId, name, sealedToken }) => {
    await db.query(sql`
      INSERT INTO krona.installation (platform, server_id, name, sealed_token)
      VALUES (${platform}, ${serverId}, ${name}, ${sealedToken})
      ON CONFLICT (platform, server_id) DO UPDATE
      SET name = excluded.name, sealed_token = excluded.sealed_token, installed_at = clock_timestamp()`);
  };

const installations: Operation<'installations'> = (db) => async (platform) =>
  db.query<Installation>(sql`
    SELECT platform, server_id AS "serverId", name, sealed_token AS "sealedToken", installed_at AS "installedAt"
    FROM krona.installation WHERE platform = ${platform} ORDER BY installed_at`);

/** Its files can't be deleted without its token, so they are forgotten. */
const removeInstallation: Operation<'removeInstallation'> = (db) => async (platform, serverId) => {
  await db.query(sql`
    WITH files AS (DELETE FROM krona.platform_file WHERE platform = ${platform} AND server_id = ${serverId})
    DELETE FROM krona.installation WHERE platform = ${platform} AND server_id = ${serverId}`);
};

export const installationOperations = { saveInstallation, installations, removeInstallation };
