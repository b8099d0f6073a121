/** @file The description of the worker's model. */
import type { ModelCard } from '../../core/settings/model-card.ts';
import type { Operation } from './database.ts';
import { json, sql } from './sql.ts';

const saveModelCard: Operation<'saveModelCard'> = (db) => async (card) => {
  await db.query(sql`
    INSERT INTO krona.model_card (card) VALUES (${json(card)})
    ON CONFLICT (only_row) DO UPDATE SET card = excluded.card`);
};

const modelCard: Operation<'modelCard'> = (db) => async () => {
  const [row] = await db.query<{ card: ModelCard }>(sql`SELECT card FROM krona.model_card`);
  return row?.card ?? null;
};

export const modelOperations = { saveModelCard, modelCard };
