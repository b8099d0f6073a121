/** @file Fills a database with what years leave behind: sets with their pictures, messages, log, votes, runs and adapters. */
import pg from 'pg';

export interface Amount {
  readonly sets: number;
  /** Of each set. */
  readonly pictures: number;
  readonly channels: number;
}

/** A share of all sets is in the first channel. */
const LARGEST = 5;
/** Of so many pictures, one has a vote. */
const VOTED = 50;
/** Of so many sets, one is a subject's. */
const OF_SUBJECT = 4;

/**
 * Writes with one statement for each table. Ids tell numbers, so that the tables find each other. The first channel, which
 * is given, has a fifth of everything.
 */
export async function fill(
  url: string,
  { sets, pictures, channels }: Amount,
  first: { readonly channelId: string; readonly memberId: string; readonly settings: object },
): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const run = (text: string, ...values: unknown[]) => client.query(text, values);
  const id = (kind: string, n: string): string =>
    `('${kind}0000-0000-4000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
  const channel = `CASE WHEN n % ${LARGEST} = 0 THEN $1::uuid ELSE ${id('c000', `1 + n % ${channels - 1}`)} END`;
  const member = `${id('b000', `n % 50`)}`;
  const at = (ago: string): string =>
    `clock_timestamp() - interval '2 days' - (${ago}) * interval '1 minute'`;
  const all = `generate_series(1, ${sets}) AS n`;
  try {
    // Triggers and references would only take time: everything is consistent.
    await run(`SET session_replication_role = replica`);
    await run(
      `INSERT INTO krona.channel (id, platform, external_id, name, settings)
      SELECT ${id('c000', 'n')}, 'web', 'channel ' || n, 'channel ' || n, '{}' FROM generate_series(1, ${channels - 1}) AS n`,
    );
    await run(
      `INSERT INTO krona.member (id, platform, external_id, name)
      SELECT ${id('b000', 'n')}, 'web', 'filled ' || n, 'filled ' || n FROM generate_series(0, 49) AS n`,
    );
    await run(
      `INSERT INTO krona.subject (id, channel_id, name, name_key, class_name, token, owner_id)
      SELECT ${id('5000', 'n')}, CASE WHEN n = 0 THEN $1::uuid ELSE ${id('c000', 'n')} END, 'mochi', 'mochi', 'cat', 'zqkv', $2
      FROM generate_series(0, ${channels - 1}) AS n`,
      first.channelId,
      first.memberId,
    );
    const subject = `CASE WHEN n % ${LARGEST} = 0 THEN ${id('5000', '0')} ELSE ${id('5000', `1 + n % ${channels - 1}`)} END`;
    const runs = `generate_series(1, ${Math.ceil(sets / 100)}) AS n`;
    await run(
      `INSERT INTO krona.run (id, channel_id, subject_id, member_id, state, settings, seed, photo_hashes, revision, created_at, ended_at)
      SELECT ${id('4000', 'n')}, ${channel}, ${subject}, ${member}, 'done', $2, n, '{}', n, ${at('n')}, ${at('n')} FROM ${runs}`,
      first.channelId,
      first.settings,
    );
    await run(
      `INSERT INTO krona.adapter (id, run_id, subject_id, channel_id, step, final, blob_hash, size, settings)
      SELECT ${id('ad00', 'n')}, ${id('4000', 'n')}, ${subject}, ${channel}, 200, true, repeat('a', 64), 1000000, $2 FROM ${runs}`,
      first.channelId,
      first.settings,
    );
    await run(
      `INSERT INTO krona.picture_set (id, channel_id, member_id, kind, subject_id, adapter_id, prompt, seed, count, strength,
        settings, state, revision, created_at, ended_at)
      SELECT ${id('5e70', 'n')}, ${channel}, ${member}, 'imagine',
        CASE WHEN n % ${OF_SUBJECT} = 0 THEN ${subject} END,
        CASE WHEN n % ${OF_SUBJECT} = 0 THEN ${id('ad00', `1 + n % ${Math.ceil(sets / 100)}`)} END,
        (ARRAY['a red fox', 'a blue bird', 'a house at sea', 'mochi on the moon'])[1 + n % 4] || ' number ' || n,
        n, ${pictures}, 1, $2, 'done', n, ${at(`${sets} - n`)}, ${at(`${sets} - n`)} FROM ${all}`,
      first.channelId,
      first.settings,
    );
    await run(
      `INSERT INTO krona.picture (id, set_id, index, blob_hash, size, width, height, seed, adapter_id)
      SELECT ${id('91c0', `n * ${pictures} + place`)}, ${id('5e70', 'n')}, place, repeat(md5(n || ' ' || place), 2), 20000, 512, 512,
        n, CASE WHEN n % ${OF_SUBJECT} = 0 THEN ${id('ad00', `1 + n % ${Math.ceil(sets / 100)}`)} END
      FROM ${all}, generate_series(0, ${pictures - 1}) AS place`,
    );
    await run(
      `INSERT INTO krona.gallery_entry (picture_id, channel_id, member_id, prompt, marks)
      SELECT picture.id, channel_id, member_id, picture_set.prompt,
        to_tsvector('simple', picture_set.prompt) || array_to_tsvector(ARRAY['channel:' || channel_id])
      FROM krona.picture JOIN krona.picture_set ON picture_set.id = set_id ORDER BY picture_set.made, index`,
    );
    await run(
      `INSERT INTO krona.vote_fact (picture_id, member_id, emoji, nth)
      SELECT id, ${id('b000', '(hashtext(id::text) & 1023) % 50')}, '❤️', 1 FROM krona.picture WHERE seed % ${VOTED} = 0 AND index < 1 + seed % 2`,
    );
    await run(
      `INSERT INTO krona.post (id, channel_id, kind, target_id, message_id, shown_revision, created_at)
      SELECT ${id('9057', 'n')}, ${channel}, 'set', ${id('5e70', 'n')}, ${id('11fe', 'n')}::text, n, ${at(`${sets} - n`)} FROM ${all}`,
      first.channelId,
    );
    await run(
      `INSERT INTO krona.chat_line (id, channel_id, body, revision, created_at)
      SELECT ${id('11fe', 'n')}, ${channel}, jsonb_build_object('kind', 'card', 'card', jsonb_build_object(
        'tone', 'success', 'title', 'a red fox number ' || n, 'votesOn', ${id('5e70', 'n')}, 'pictures', '[]'::jsonb)), n, ${at(`${sets} - n`)} FROM ${all}`,
      first.channelId,
    );
    await run(
      `INSERT INTO krona.audit_entry (channel_id, member_id, action, details, target_id, amount, at)
      SELECT ${channel}, ${member}, 'imagine', 'a red fox number ' || n, ${id('5e70', 'n')}, ${pictures}, ${at(`${sets} - n`)} FROM ${all}`,
      first.channelId,
    );
    await run(`SELECT setval('krona.revision', ${sets} + 1)`);
    // Columns that the releases since then keep along with these.
    const { rows } = await run(
      `SELECT column_name FROM information_schema.columns WHERE table_schema = 'krona' AND column_name IN ('stored', 'target_revision')`,
    );
    if (rows.length > 0) {
      await run(
        `UPDATE krona.picture_set SET stored = 20000 * count, voted = n % $1 = 0
        FROM (SELECT id AS numbered, seed AS n FROM krona.picture_set) AS own WHERE numbered = id`,
        VOTED,
      );
      await run(`UPDATE krona.post SET target_revision = shown_revision`);
    }
    await run(`SET session_replication_role = DEFAULT`);
    await run('VACUUM ANALYZE');
  } finally {
    await client.end();
  }
}
