/**
 * @file SQL with values: sql`SELECT … WHERE id = ${id}` becomes `… WHERE id = $1` and [id]. Values never become part
 * of the text; only other sql`…` pieces do.
 */

const PIECE = Symbol('sql');

export interface Sql {
  readonly text: string;
  readonly values: readonly unknown[];
  /** How long it may take, ms; unset: as other statements (database.ts). */
  readonly patience?: number;
  readonly [PIECE]: true;
}

/** @example sql`SELECT ${COLUMNS} FROM krona.run WHERE id = ${id}` */
export function sql(strings: TemplateStringsArray, ...parts: readonly unknown[]): Sql {
  const values: unknown[] = [];
  let text = '';
  strings.forEach((string, index) => {
    text += string;
    if (index === parts.length) return;
    const part = parts[index];
    if (isSql(part)) {
      // The piece's own $1, $2, … continue after the values so far.
      const before = values.length;
      text += part.text.replace(/\$(\d+)/g, (_, number: string) => `$${before + Number(number)}`);
      values.push(...part.values);
    } else {
      values.push(part);
      text += `$${values.length}`;
    }
  });
  return { text, values, [PIECE]: true };
}

/** Our own SQL text, such as a migration file; it can contain several statements. */
export const raw = (text: string): Sql => ({ text, values: [], [PIECE]: true });

/** A value for a jsonb column (`pg` would turn arrays into PostgreSQL arrays); null and undefined stay as they are. */
export function json(value: unknown): string | null | undefined {
  return value === null || value === undefined ? value : JSON.stringify(value);
}

/** The model of new work: one that is given, else its channel's. */
export const modelIn = (model: string | undefined, channelId: string): Sql =>
  model === undefined
    ? sql`(SELECT krona.model_of(channel) FROM krona.channel WHERE id = ${channelId})`
    : sql`${model}`;

/** `, a = $1, b = $2` for the columns whose value is not undefined, to follow a first assignment. */
export function assignments(columns: Readonly<Record<string, unknown>>): Sql {
  const given = Object.entries(columns).filter(([, value]) => value !== undefined);
  return {
    text: given.map(([name], index) => `, ${name} = $${index + 1}`).join(''),
    values: given.map(([, value]) => value),
    [PIECE]: true,
  };
}

function isSql(part: unknown): part is Sql {
  return typeof part === 'object' && part !== null && PIECE in part;
}
