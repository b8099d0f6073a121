/** @file Votes as facts, the reactions that stand, and the rankings that were shown. */
import type { Picture, PictureSet, Ranking, StandingVote, VoteFact } from '../../core/records.ts';
import type { Operation } from './database.ts';
import { countLikes } from './gallery.ts';
import { PICTURE, SET, touchSets } from './sets.ts';
import { firstRow } from './rows.ts';
import { sql } from './sql.ts';

export const FACT = sql`
  vote_fact.id, picture_id AS "pictureId", member_id AS "memberId", emoji, added, at`;

const addVote: Operation<'addVote'> =
  (db) =>
  async ({ pictureId, memberId, emoji, added }) => {
    // The number of facts so far says whether the reaction stands (odd) or not (even). A clock that was set back does not
    // change the order of a member's reactions.
    const facts = await db.query(sql`
      WITH fact AS (
        INSERT INTO krona.vote_fact (picture_id, member_id, emoji, nth, at)
        SELECT ${pictureId}::uuid, ${memberId}::uuid, ${emoji}, count(*) FILTER (WHERE emoji = ${emoji}) + 1,
          greatest(clock_timestamp(), max(at))
        FROM krona.vote_fact
        WHERE picture_id = ${pictureId} AND member_id = ${memberId}
        HAVING count(*) FILTER (WHERE emoji = ${emoji}) % 2 = ${added ? 0 : 1}
        ON CONFLICT (picture_id, member_id, emoji, nth) DO NOTHING
        RETURNING id, picture_id
      ), ${touchSets(sql`SELECT set_id FROM krona.picture WHERE id IN (SELECT picture_id FROM fact)`)}
      SELECT id FROM fact`);
    if (facts.length > 0) await countLikes(db, [pictureId]);
    return facts.length > 0;
  };

const voteFacts: Operation<'voteFacts'> =
  (db) =>
  (...setIds) =>
    db.query<VoteFact & { readonly setId: string }>(sql`
      SELECT ${FACT}, picture.set_id AS "setId"
      FROM krona.vote_fact JOIN krona.picture ON picture.id = vote_fact.picture_id
      WHERE picture.set_id = ANY (${setIds})
      ORDER BY at, nth`);

const standingVotes: Operation<'standingVotes'> = (db) => async (channelId, only) => {
  const chosen =
    only === undefined
      ? sql`true`
      : 'subjectId' in only
        ? sql`subject_id IS NOT DISTINCT FROM ${only.subjectId}`
        : sql`id IN (SELECT set_id FROM krona.picture WHERE picture.id = ANY (${only.pictureIds}))`;
  const sets = await db.query<PictureSet>(sql`
    SELECT ${SET} FROM krona.picture_set
    WHERE channel_id = ${channelId} AND voted AND ${chosen}
      AND NOT EXISTS (SELECT FROM krona.duel WHERE duel.id = duel_id AND duel.state = 'open')
    ORDER BY made`);
  const setIds = sets.map(({ id }) => id);
  const pictures = await db.query<Picture>(sql`
    SELECT ${PICTURE} FROM krona.picture WHERE set_id = ANY (${setIds}) ORDER BY set_id, index`);
  const votes = await db.query<StandingVote>(sql`
    SELECT picture_id AS "pictureId", member_id AS "memberId", emoji, at
    FROM krona.standing_vote
    WHERE picture_id = ANY (${pictures.map(({ id }) => id)})
    ORDER BY at`);
  return { votes, pictures, sets };
};

const addRanking: Operation<'addRanking'> =
  (db) =>
  async ({ id, channelId, pictureIds }) => {
    await db.query(sql`
      WITH ranking AS (
        INSERT INTO krona.ranking (id, channel_id) VALUES (${id}, ${channelId}) RETURNING id
      )
      INSERT INTO krona.ranked_picture (ranking_id, picture_id)
      SELECT ranking.id, picture.id FROM ranking, krona.picture WHERE picture.id = ANY (${pictureIds})`);
  };

const ranking: Operation<'ranking'> = (db) => async (id) =>
  firstRow(
    await db.query<Ranking>(sql`
    SELECT id, channel_id AS "channelId", revision,
      ARRAY(SELECT picture_id FROM krona.ranked_picture WHERE ranking_id = id) AS "pictureIds"
    FROM krona.ranking
    WHERE id = ${id}`),
  );

export const voteOperations = { addVote, voteFacts, standingVotes, addRanking, ranking };
