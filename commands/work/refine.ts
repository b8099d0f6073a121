/** @file `/krona refine`: goes on training a subject's champion with the channel's votes. A duel judges the result. */
import { counted } from '../../core/format.ts';
import { KronaError } from '../../core/errors.ts';
import type { Adapter, Refinement, Subject } from '../../core/records.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { checkTraining } from '../../core/settings/check.ts';
import type { Records } from '../../storage/records.ts';
import { loadCard } from '../cards/load-card.ts';
import { command } from '../define.ts';
import { photoPrompts } from '../photos/photo-captions.ts';
import { completeSubject, requireSubject } from '../subjects/subjects.ts';
import { votePairs } from '../votes/vote-pairs.ts';
import { refuseWhileTraining } from './train.ts';
import { startRun } from './work.ts';

/** Fewest members whose votes count, as for a champion by votes. */
const LEAST_MEMBERS = 3;
/** Fewest pairs: a favourite in each of four sets of four pictures. */
const LEAST_PAIRS = 12;

/** Which of the channel's lr a refinement takes: it must not leave what it goes on from. */
const LR_SHARE = 1 / 4;

/** @throws KronaError SUBJECT_NOT_READY, CHAMPION_PINNED */
async function requireChampion(records: Records, subject: Subject): Promise<Adapter> {
  const { name, championId, championPinned } = subject;
  const champion = championId === null ? null : await records.adapter(championId);
  if (champion === null)
    throw new KronaError(
      'SUBJECT_NOT_READY',
      `${name} has no champion to refine. Train it with \`/krona train subject:${name}\` first.`,
    );
  if (championPinned)
    throw new KronaError(
      'CHAMPION_PINNED',
      `The champion of ${name} is pinned, so no refinement can replace it. Unpin it with \`/krona adapters champion adapter:${name} pin:no\`.`,
    );
  return champion;
}

/** @throws KronaError VOTES_TOO_FEW, which says what is missing; DUEL_OPEN */
async function requireVotes(records: Records, subject: Subject): Promise<ReturnType<typeof votePairs>> {
  const open = await records.openDuels(subject.channelId);
  if (open.some(({ subjectId }) => subjectId === subject.id))
    throw new KronaError('DUEL_OPEN', `A duel of ${subject.name} is open. Refine it when that has ended.`);
  const data = votePairs(await records.standingVotes(subject.channelId), subject.id);
  const { pairs, members } = data;
  if (members >= LEAST_MEMBERS && pairs.length >= LEAST_PAIRS) return data;
  throw new KronaError(
    'VOTES_TOO_FEW',
    `Votes on pictures of ${subject.name} give ${counted(pairs.length, 'pair')} of ${counted(members, 'member')}; refining needs at least ` +
      `${LEAST_PAIRS} of ${LEAST_MEMBERS} members who don't vote on their own pictures. A pair is two pictures of a set of which members prefer one; ties don't count.`,
  );
}

export const refine = command(
  {
    name: 'refine',
    description: 'Train the champion further with the channel’s votes; a duel judges the result',
    example: '/krona refine mochi',
    options: [
      {
        name: 'subject',
        description: 'Name of the subject',
        type: 'text',
        required: true,
        complete: completeSubject,
      },
    ],
    needs: 'train',
  },

  async (invocation, context) => {
    const { channel, options } = invocation;
    const model = await context.records.modelCard();
    const run = await context.records.transaction(async (records) => {
      const subject = await requireSubject(records, channel, options.subject);
      refuseWhileTraining(subject, (await records.openWork(channel.id)).runs);
      const champion = await requireChampion(records, subject);
      const votes = await requireVotes(records, subject);
      const refinement: Refinement = { ...votes, from: champion.id, kept: null };
      const settings = {
        ...champion.settings,
        steps: defaultOf('steps', model),
        lr: defaultOf('lr', model) * LR_SHARE,
        warmup: 0,
      };
      checkTraining(settings, model);
      const photos = await records.photos(subject.id);
      if (photos.length === 0)
        throw new KronaError(
          'NO_PHOTOS',
          `There is no photo of ${subject.name} left, and refining needs photos beside the votes. Add some with \`/krona photos add subject:${subject.name}\`.`,
        );
      return startRun(records, invocation, subject, {
        settings,
        refinement,
        photoHashes: photos.map(({ blobHash }) => blobHash),
        photoPrompts: await photoPrompts(records, subject, photos),
      });
    });
    return loadCard('run', run.id, context);
  },
);
