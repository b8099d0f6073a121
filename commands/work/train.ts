/** @file `/krona train`: photos become a subject's, and a run that trains an adapter on them is queued. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, Run, Subject } from '../../core/records.ts';
import type { ChannelSettings } from '../../core/settings/schema.ts';
import { checkTraining } from '../../core/settings/check.ts';
import { withOptions } from '../../core/settings/read.ts';
import type { Records } from '../../storage/records.ts';
import { loadCard } from '../cards/load-card.ts';
import type { Actor } from '../contract.ts';
import { command } from '../define.ts';
import { CAPTION, photoPrompts, readCaptions } from '../photos/photo-captions.ts';
import { keepPhotos, likenessesOf, takePhotos, verdictCard, type Verdict } from '../photos/photo-intake.ts';
import { checkMasks } from '../photos/photo-masks.ts';
import { admitWork } from '../rules/guard.ts';
import { settingOption } from '../settings/setting-options.ts';
import {
  checkClassName,
  checkSubjectName,
  classMissing,
  completeSubject,
  ensureSubject,
  MAX_NAME,
} from '../subjects/subjects.ts';
import { startRun } from './work.ts';

/** @throws KronaError SUBJECT_BUSY */
export function refuseWhileTraining(subject: Subject, open: readonly Run[]): void {
  const run = open.find((each) => each.subjectId === subject.id);
  if (!run) return;
  const { state, progress } = run;
  const what = run.sweep === null ? 'Training' : 'A sweep';
  const how =
    state === 'running' && progress
      ? `already running (step ${progress.step} of ${progress.steps})`
      : 'already queued';
  throw new KronaError(
    'SUBJECT_BUSY',
    `${what} of ${subject.name} is ${how}. Wait for it, or cancel it with \`/krona queue cancel work:${run.id.slice(0, 8)}\`.`,
  );
}

/** @throws KronaError NO_PHOTOS, with what was wrong with those that came */
function noPhotos(name: string, verdicts: readonly Verdict[]): KronaError {
  const problems = verdicts.map((verdict) => verdict.message).join(' ');
  const advice = 'Send at least one photo with the command; 4 to 10 different ones work best.';
  return new KronaError('NO_PHOTOS', `There is no photo of ${name} to train on. ${problems || advice}`);
}

/** Queues a training with the subject's photos. @throws KronaError NO_PHOTOS, SUBJECT_BUSY, and those of the guard */
async function queueTraining(
  records: Records,
  actor: Actor,
  subject: Subject,
  settings: ChannelSettings,
  verdicts: readonly Verdict[] = [],
): Promise<Run> {
  refuseWhileTraining(subject, (await records.openWork(subject.channelId)).runs);
  const photos = await records.photos(subject.id);
  if (photos.length === 0) throw noPhotos(subject.name, verdicts);
  return startRun(records, actor, subject, {
    settings,
    photoHashes: photos.map(({ blobHash }) => blobHash),
    photoPrompts: await photoPrompts(records, subject, photos),
  });
}

/** Queues a training of a subject as it is, with the channel's settings. */
export async function trainAgain(records: Records, actor: Actor, subject: Subject): Promise<Run> {
  const model = await records.modelCard(actor.channel.model);
  const settings = await settingsNow(records, actor.channel);
  checkTraining(settings, model);
  return queueTraining(records, actor, subject, settings);
}

export async function settingsNow(records: Records, channel: Channel) {
  return ((await records.channelById(channel.id)) ?? channel).settings;
}

export const train = command(
  {
    name: 'train',
    description: 'Train an adapter on photos of a subject',
    example: '/krona train subject:mochi class:cat',
    options: [
      {
        name: 'subject',
        description: 'Name of the subject, as you use it in prompts',
        type: 'text',
        required: true,
        maxLength: MAX_NAME,
        complete: completeSubject,
      },
      {
        name: 'class',
        description: 'What it is, in one plain noun: cat, robot, mug',
        type: 'text',
        maxLength: MAX_NAME,
      },
      { name: 'photos', description: 'Photos of the subject, up to 10 at once', type: 'photos' },
      CAPTION,
      settingOption('steps'),
      settingOption('method'),
      // Those that depend on the subject and its photos; the rest is the channel's.
      settingOption('mask'),
      settingOption('prior'),
      settingOption('crop'),
      settingOption('flip'),
    ],
    needs: 'train',
  },

  async (invocation, context) => {
    const { channel, member, options } = invocation;
    const { records, blobs } = context;
    const name = checkSubjectName(options.subject);
    const className = checkClassName(options.class);
    const model = await records.modelCard(channel.model);

    const before = await records.subjectByName(channel.id, name);
    if (before) refuseWhileTraining(before, (await records.openWork(channel.id)).runs);
    else if (className === undefined) throw classMissing(name);
    // Checked again when the run is added; here so that nobody waits for photos that won't be used.
    const captions = readCaptions(options.caption, invocation.attachments.length);
    await admitWork(records, invocation, { kind: 'train' }, [name, className ?? '']);
    const intake = await takePhotos(invocation, name, context, captions);
    const likenesses = await likenessesOf(records, before, blobs);
    const { mask } = withOptions(await settingsNow(records, channel), options, model);
    const standing = before ? await records.photos(before.id) : [];
    await checkMasks(mask, [...standing, ...intake.ready], blobs);

    const { run, verdicts } = await records.transaction(async (inside) => {
      const settings = withOptions(await settingsNow(inside, channel), options, model);
      // The model may have changed since the settings were checked.
      checkTraining(settings, model);
      const subject = await ensureSubject(inside, invocation, name, className);
      const verdicts = await keepPhotos(inside, subject, member, intake, likenesses);
      return { run: await queueTraining(inside, invocation, subject, settings, verdicts), verdicts };
    });
    const card = await loadCard('run', run.id, context);
    const aside = verdictCard(verdicts);
    return aside ? { ...card, aside } : card;
  },
);
