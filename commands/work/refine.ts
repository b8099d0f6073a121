/** @file `/krona refine`: a run that goes on from a subject's champion with the channel's votes. A duel judges its result. */
import { KronaError } from '../../core/errors.ts';
import type { Adapter, Subject } from '../../core/records.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { withOptions } from '../../core/settings/read.ts';
import { CHAT_SETTINGS, type ChannelSettings } from '../../core/settings/schema.ts';
import { refineVotes, votesMissing } from '../../core/votes/refine-votes.ts';
import type { Records } from '../../storage/records.ts';
import { loadCard } from '../cards/load-card.ts';
import { command } from '../define.ts';
import { photoPrompts } from '../photos/photo-captions.ts';
import { settingOption } from '../settings/setting-options.ts';
import { completeSubject, requireSubject } from '../subjects/subjects.ts';
import { refuseWhileTraining, settingsNow } from './train.ts';
import { requireSameModel } from '../models/choose-model.ts';
import { startRun } from './work.ts';

/** Share of a training's learning rate: the champion is near a good place. */
const RATE = 1 / 4;

/** @throws KronaError SUBJECT_NOT_READY, CHAMPION_PINNED, DUEL_OPEN */
async function requireChampion(
  records: Records,
  { id, channelId, name, championId, championPinned }: Subject,
): Promise<Adapter> {
  if (championPinned)
    throw new KronaError(
      'CHAMPION_PINNED',
      `The champion of ${name} is pinned, so no refinement can replace it. Unpin it with \`/krona adapters champion adapter:${name} pin:no\`.`,
    );
  if ((await records.openDuels(channelId)).some(({ subjectId }) => subjectId === id))
    throw new KronaError('DUEL_OPEN', `A duel of ${name} is open. Refine it when that has ended.`);
  const champion = championId === null ? null : await records.adapter(championId);
  if (champion !== null) return champion;
  throw new KronaError(
    'SUBJECT_NOT_READY',
    `${name} has no champion to refine. Train it with \`/krona train subject:${name}\`, or choose one with \`/krona adapters champion\`.`,
  );
}

/** The champion's training settings, more gently; the channel's for drawing. */
function refineSettings(
  champion: Adapter,
  channel: ChannelSettings,
  model: ModelCard | null,
): ChannelSettings {
  const trained = Object.fromEntries(CHAT_SETTINGS.train.map((key) => [key, champion.settings[key]]));
  return {
    ...channel,
    ...trained,
    lr: RATE * champion.settings.lr,
    steps: defaultOf('steps', model),
    // Class pictures keep a class from nothing; here the champion itself is the reference.
    prior: 0,
    warmup: 0,
  };
}

export const refine = command(
  {
    name: 'refine',
    description: 'Train the champion further with votes; a duel judges the result',
    example: '/krona refine mochi',
    options: [
      {
        name: 'subject',
        description: 'Subject whose champion to refine',
        type: 'text',
        required: true,
        complete: completeSubject,
      },
      settingOption('steps'),
    ],
    needs: 'train',
  },

  async (invocation, context) => {
    const { channel, options } = invocation;
    const run = await context.records.transaction(async (records) => {
      const subject = await requireSubject(records, channel, options.subject);
      const champion = await requireChampion(records, subject);
      await requireSameModel(records, `The champion of ${subject.name}`, champion, channel.model);
      const model = await records.modelCard(champion.model);
      refuseWhileTraining(subject, (await records.openWork(channel.id)).runs);
      const votes = refineVotes(
        subject.id,
        await records.standingVotes(channel.id, { subjectId: subject.id }),
      );
      const missing = votesMissing(votes, subject.name);
      if (missing !== null) throw new KronaError('VOTES_TOO_FEW', missing);
      const photos = await records.photos(subject.id);
      if (photos.length === 0)
        throw new KronaError(
          'NO_PHOTOS',
          `There is no photo of ${subject.name} left. Refining needs them, so that the subject stays itself. Add some with \`/krona photos add\`.`,
        );
      const own = await settingsNow(records, channel);
      return startRun(records, invocation, subject, {
        settings: withOptions(refineSettings(champion, own, model), { steps: options.steps }, model),
        photoHashes: photos.map(({ blobHash }) => blobHash),
        photoPrompts: await photoPrompts(records, subject, photos),
        refinement: {
          from: champion.id,
          votes: { pairs: votes.pairs.length, members: votes.members },
          kept: null,
        },
      });
    });
    return loadCard('run', run.id, context);
  },
);
