/** @file `/krona train`: teaches the model a subject from the photos that members gave. */
import { KronaError } from '../../core/errors.ts';
import type { Channel, Run, Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import { loadCard } from '../cards/load-card.ts';
import type { Command } from '../contract.ts';
import { textOption } from '../line/options.ts';
import { CAPTION, photoPrompts, readCaptions } from '../photos/photo-captions.ts';
import { checkMasks } from '../photos/photo-masks.ts';
import { keepPhotos, likenessesOf, takePhotos, verdictCard, type Verdict } from '../photos/photo-intake.ts';
import { checkTraining, SETTING_OPTIONS, withOptions } from '../settings/settings-check.ts';
import {
  checkClassName,
  checkSubjectName,
  classMissing,
  completeSubject,
  ensureSubject,
  MAX_NAME,
} from '../subjects/subjects.ts';
import { admitWork } from '../rules/guard.ts';
import { startRun } from './work.ts';

/** @throws KronaError SUBJECT_BUSY */
function refuseWhileTraining(subject: Subject, open: readonly Run[]): void {
  const run = open.find((each) => each.subjectId === subject.id);
  if (!run) return;
  const { state, progress } = run;
  const how =
    state === 'running' && progress
      ? `being learnt now (step ${progress.step} of ${progress.steps})`
      : 'in the queue already';
  throw new KronaError(
    'SUBJECT_BUSY',
    `${subject.name} is ${how}. Wait for it, or stop it with \`/krona queue cancel work:${run.id.slice(0, 8)}\`.`,
  );
}

/** @throws KronaError NO_PHOTOS, with what was wrong with those that came */
function noPhotos(name: string, verdicts: readonly Verdict[]): KronaError {
  const problems = verdicts.map((verdict) => verdict.message).join(' ');
  const advice = 'Send at least one photo with the command; 4 to 10 different ones work best.';
  return new KronaError('NO_PHOTOS', `There is no photo of ${name} to learn from. ${problems || advice}`);
}

async function currentChannel(records: Records, channel: Channel): Promise<Channel> {
  return (await records.channelById(channel.id)) ?? channel;
}

export const train: Command = {
  data: {
    name: 'train',
    description: 'Teach Krona something of yours from photos',
    example: '/krona train subject:mochi class:cat',
    options: [
      {
        name: 'subject',
        description: 'Its name, as you will say it in prompts',
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
      { name: 'photos', description: 'Photos of it, up to 10 at once', type: 'photos' },
      CAPTION,
      SETTING_OPTIONS.steps,
      SETTING_OPTIONS.method,
      // What hangs on the subject and its photos; the rest is the channel's.
      SETTING_OPTIONS.mask,
      SETTING_OPTIONS.prior,
      SETTING_OPTIONS.crop,
      SETTING_OPTIONS.flip,
    ],
    needs: 'train',
  },

  async run(invocation, context) {
    const { channel, member } = invocation;
    const name = checkSubjectName(textOption(invocation, 'subject')!);
    const className = checkClassName(textOption(invocation, 'class'));
    const model = await context.records.modelCard();

    const before = await context.records.subjectByName(channel.id, name);
    if (before) refuseWhileTraining(before, (await context.records.openWork(channel.id)).runs);
    else if (className === undefined) throw classMissing(name);
    // Asked again when the run begins; here so that nobody waits for photos to be read in vain.
    const captions = readCaptions(textOption(invocation, 'caption'), invocation.attachments.length);
    const texts = [name, className ?? '', ...captions.filter((caption) => caption !== null)];
    await admitWork(context.records, invocation, { kind: 'train' }, texts);
    const intake = await takePhotos(invocation.attachments, context.blobs, captions);
    const likenesses = await likenessesOf(context.records, before, context.blobs);
    const { mask } = withOptions(
      (await currentChannel(context.records, channel)).settings,
      invocation.options,
      model,
    );
    const standing = before ? await context.records.photos(before.id) : [];
    await checkMasks(mask, [...standing, ...intake.ready], context.blobs);

    const { run, verdicts } = await context.records.transaction(async (records) => {
      const settings = withOptions(
        (await currentChannel(records, channel)).settings,
        invocation.options,
        model,
      );
      // The model may have changed since the settings were checked.
      checkTraining(settings, model);
      const subject = await ensureSubject(records, invocation, name, className);
      refuseWhileTraining(subject, (await records.openWork(channel.id)).runs);
      const verdicts = await keepPhotos(records, subject, member, intake, likenesses);
      const photos = await records.photos(subject.id);
      if (photos.length === 0) throw noPhotos(name, verdicts);
      const run = await startRun(records, invocation, subject, {
        settings,
        photoHashes: photos.map(({ blobHash }) => blobHash),
        photoPrompts: await photoPrompts(records, subject, photos),
      });
      return { run, verdicts };
    });
    const card = await loadCard('run', run.id, context);
    const aside = verdictCard(verdicts);
    return aside ? { ...card, aside } : card;
  },
};
