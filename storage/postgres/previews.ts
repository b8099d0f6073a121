/** @file What sets that are being drawn look like so far. Triggers delete it when a set ends or is deleted. */
import type { SetPreview } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { firstRow } from './rows.ts';
import { sql } from './sql.ts';

const savePreview: Operation<'savePreview'> = (db) => async (setId, preview) => {
  if (preview === null) {
    await db.query(sql`DELETE FROM krona.set_preview WHERE set_id = ${setId}`);
    return;
  }
  // The lock: a set that ends meanwhile ends before this, which then adds nothing, or after it, and deletes it.
  await db.query(sql`
    INSERT INTO krona.set_preview (set_id, place, image)
    SELECT id, ${preview.place}::integer, ${Buffer.from(preview.image)}::bytea
    FROM krona.picture_set
    WHERE id = ${setId} AND state = 'running'
    FOR NO KEY UPDATE
    ON CONFLICT (set_id) DO UPDATE SET place = excluded.place, image = excluded.image`);
};

const preview: Operation<'preview'> = (db) => async (setId) =>
  firstRow(
    await db.query<SetPreview>(sql`SELECT place, image FROM krona.set_preview WHERE set_id = ${setId}`),
  );

export const previewOperations = { savePreview, preview };
