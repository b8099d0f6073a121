/** @file What the worker's model is. */
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { Records } from '../records.ts';
import type { Database } from './database.ts';
import { json, sql } from './sql.ts';

type ModelRecords = Pick<Records, 'saveModelCard' | 'modelCard'>;

export const modelRecords = (db: Database): ModelRecords => ({
  async saveModelCard(card) {
    await db.query(sql`
      INSERT INTO krona.model_card (card) VALUES (${json(card)})
      ON CONFLICT (only_row) DO UPDATE SET card = excluded.card`);
  },

  async modelCard() {
    const [row] = await db.query<{ card: ModelCard }>(sql`SELECT card FROM krona.model_card`);
    return row?.card ?? null;
  },
});
