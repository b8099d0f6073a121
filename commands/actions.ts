/**
 * @file The buttons of cards. An action is `verb:recordId` and nothing else is stored, so a button still works after a
 * restart and a year later. Permissions are those of the commands.
 */
import { KronaError } from '../core/errors.ts';
import { checkEnlarged, enlargementOf, enlargesSent } from '../core/pictures/enlarged-size.ts';
import { emojiOf } from '../core/pictures/emoji.ts';
import type { PictureSet, Subject } from '../core/records.ts';
import { randomSeed } from '../core/seeds.ts';
import { hasEnded } from '../core/work-state.ts';
import type { Records } from '../storage/records.ts';
import { crown } from './subjects/adapters.ts';
import { note } from './rules/audit.ts';
import type { Card } from './card.ts';
import { errorCard, plain } from './cards/format.ts';
import { goneCard, loadCard, runSource, setSource } from './cards/load-card.ts';
import { emojiCard } from './cards/emoji-card.ts';
import type { RunCardSource } from './cards/run-card.ts';
import { runSettingsCard, samplesCard } from './cards/run-details.ts';
import { detailsCard, needsTraining } from './cards/set-card.ts';
import { cellsCard } from './cards/sweep-card.ts';
import type { Actor, CommandContext } from './contract.ts';
import { turnPage } from './gallery/gallery.ts';
import { requireOwner } from './rules/permission.ts';
import { chooseModel } from './models/choose-model.ts';
import { acceptAndPull, askToPull, cancelPull } from './models/pulls.ts';
import { forgetSubject } from './subjects/delete.ts';
import { eraseOwn } from './rules/privacy.ts';
import { admit, type Needs } from './rules/guard.ts';
import { adapterName } from './subjects/subjects.ts';
import { settingsNow, trainAgain } from './work/train.ts';
import { stopDuel } from './votes/stop-duel.ts';
import { dropCell, startSweep } from './work/sweep.ts';
import { cancelWork, findWork, startSet } from './work/work.ts';

/** Returns the answer. A card that follows a record shows in the message of that record. */
type Action = (id: string, actor: Actor, context: CommandContext) => Promise<Card>;

function gone(what: string): KronaError {
  return new KronaError('GONE', `${what} was deleted.`);
}

async function setHere(records: Records, actor: Actor, id: string): Promise<PictureSet> {
  const set = await records.set(id);
  if (set?.channelId !== actor.channel.id) throw gone('This set');
  return set;
}

/**
 * A set whose message has the buttons. Samples of a run have none, so a button for them was not made here: a sweep's sheet, drawn
 * again at twice its size, would take all memory.
 *
 * @throws KronaError GONE, ACTION_UNKNOWN
 */
async function setOfButton(records: Records, actor: Actor, id: string): Promise<PictureSet> {
  const set = await setHere(records, actor, id);
  if (set.kind !== 'samples') return set;
  throw new KronaError(
    'ACTION_UNKNOWN',
    'Samples of a training have no such button. Use its result instead.',
  );
}

/** Returns the adapter to draw a set again with: its own, or the champion if that was deleted. */
function adapterFor(set: PictureSet, subject: Subject | null): string | null {
  if (set.subjectId === null && set.adapterId === null) return null;
  const id = set.adapterId ?? subject?.championId ?? null;
  if (id === null)
    throw new KronaError(
      'SUBJECT_NOT_READY',
      'The adapter of these pictures was deleted, and their subject has no champion. Choose one with `/krona adapters champion`.',
    );
  return id;
}

/** The set, or if its adapters were trained on another model, as it is with the champions that their subjects have by now. */
async function withChampions(records: Records, actor: Actor, set: PictureSet): Promise<PictureSet> {
  if (!needsTraining(set)) return set;
  const champions: string[] = [];
  for (const id of set.alsoAdapterIds) {
    const adapter = await records.adapter(id);
    const subject = adapter && (await records.subject(adapter.subjectId));
    champions.push(subject?.championId ?? id);
  }
  const subject = set.subjectId === null ? null : await records.subject(set.subjectId);
  const { model } = actor.channel;
  return { ...set, model, adapterId: subject?.championId ?? set.adapterId, alsoAdapterIds: champions };
}

/** @throws KronaError DUEL_OPEN while a set's seed, or what is drawn from it, would tell which adapter of a duel drew it */
async function refuseInDuel(records: Records, { duelId }: PictureSet): Promise<void> {
  const duel = duelId === null ? null : await records.duel(duelId);
  if (duel?.state === 'open')
    throw new KronaError('DUEL_OPEN', 'These pictures belong to a duel that is open. Wait for its end.');
}

/** Queues a set like another one, for the member who pressed the button. */
async function drawLike(
  records: Records,
  set: PictureSet,
  actor: Actor,
  change: Pick<PictureSet, 'seed' | 'variationOf'> & Partial<Pick<PictureSet, 'adapterId' | 'prompt'>>,
): Promise<PictureSet> {
  await refuseInDuel(records, set);
  refuseEnlarged(set);
  const subject = set.subjectId === null ? null : await records.subject(set.subjectId);
  const { subjectId, prompt, negative, count, strength, model, settings, alsoAdapterIds, start, steering } =
    set;
  return startSet(records, actor, {
    subjectId,
    model,
    prompt,
    negative,
    count,
    strength,
    settings,
    adapterId: adapterFor(set, subject),
    alsoAdapterIds,
    start,
    steering,
    ...change,
  });
}

/** @throws KronaError ACTION_UNKNOWN for a set that enlarges a member's picture: there is nothing to draw another one of */
function refuseEnlarged(set: PictureSet): void {
  if (!enlargesSent(set)) return;
  throw new KronaError(
    'ACTION_UNKNOWN',
    'This picture was not drawn by Krona, only enlarged. To draw others like it, use `/krona imagine` with the picture.',
  );
}

const again: Action = async (id, actor, context) => {
  const set = await context.records.transaction(async (records) => {
    const origin = await withChampions(records, actor, await setOfButton(records, actor, id));
    return drawLike(records, origin, actor, { seed: randomSeed(), variationOf: null });
  });
  return await loadCard('set', set.id, context);
};

/** Trains a subject again, whose adapter belongs to another model. */
const retrain: Action = async (id, actor, context) => {
  const run = await context.records.transaction(async (records) => {
    const subject = await records.subject(id);
    if (subject?.channelId !== actor.channel.id) throw gone('This subject');
    return trainAgain(records, actor, subject);
  });
  return await loadCard('run', run.id, context);
};

const vary: Action = async (id, actor, context) => {
  const set = await context.records.transaction(async (records) => {
    const picture = await records.picture(id);
    if (!picture) throw gone('This picture');
    const origin = await setOfButton(records, actor, picture.setId);
    // In the result of a run, pictures can have different adapters.
    const by = picture.adapterId === null ? {} : { adapterId: picture.adapterId };
    const prompt = picture.prompt ?? origin.prompt;
    return drawLike(records, origin, actor, { seed: randomSeed(), variationOf: picture.id, prompt, ...by });
  });
  return await loadCard('set', set.id, context);
};

const upscale: Action = async (id, actor, context) => {
  const set = await context.records.transaction(async (records) => {
    const picture = await records.picture(id);
    if (!picture) throw gone('This picture');
    const origin = await setOfButton(records, actor, picture.setId);
    await refuseInDuel(records, origin);
    if (origin.kind === 'upscale')
      throw new KronaError(
        'UPSCALED_ALREADY',
        'This picture is already upscaled, and upscaling works only once.',
      );
    const { subjectId, negative, strength, model, settings, alsoAdapterIds, variationOf } = origin;
    const { upscale } = await settingsNow(records, actor.channel);
    const times = enlargementOf(upscale);
    if (times !== null) checkEnlarged(picture, times, 'This picture');
    return startSet(records, actor, {
      subjectId,
      model,
      prompt: picture.prompt ?? origin.prompt,
      negative,
      strength,
      settings: { ...settings, upscale },
      alsoAdapterIds,
      variationOf,
      count: 1,
      seed: picture.seed,
      // In the result of a run, pictures can have different adapters.
      adapterId:
        picture.adapterId ?? adapterFor(origin, subjectId === null ? null : await records.subject(subjectId)),
      kind: 'upscale',
      upscaleOf: picture.id,
    });
  });
  return await loadCard('set', set.id, context);
};

const cancel: Action = async (id, actor, context) => {
  if ((await stopDuel(id, actor, context)) !== null) return await loadCard('duel', id, context);
  const pull = await cancelPull(id, actor, context);
  if (pull !== null) return pull;
  const work = await findWork(context.records, actor, id);
  if (!work) throw gone('This job');
  await cancelWork(actor, work, context);
  return await loadCard(work.kind, id, context);
};

const remove: Action = async (id, actor, context) => {
  const set = await setOfButton(context.records, actor, id);
  requireOwner(actor, [set.memberId], 'delete these pictures', 'the member who requested them');
  if (!hasEnded(set)) await cancelWork(actor, { kind: 'set', set }, context);
  const how = `By ${set.memberId === actor.member.id ? 'the member who requested them' : 'a moderator'}.`;
  await context.records.transaction(async (records) => {
    await records.deleteSet(id, how);
    await note(records, actor, 'delete', `pictures: ${set.prompt}`);
  });
  return { ...goneCard('set', how), follows: { kind: 'set', id } };
};

const emoji: Action = async (id, actor, { records, blobs }) => {
  const picture = await records.picture(id);
  if (!picture) throw gone('This picture');
  const set = await setOfButton(records, actor, picture.setId);
  const { png, transparent } = await emojiOf(await blobs.get(picture.blobHash));
  const { hash, size } = await blobs.put(png);
  return emojiCard(set, picture, { hash, size, transparent });
};

const details: Action = async (id, actor, context) => {
  const set = await setOfButton(context.records, actor, id);
  await refuseInDuel(context.records, set);
  return detailsCard(await setSource(set, context));
};

async function runHere(id: string, actor: Actor, context: CommandContext): Promise<RunCardSource> {
  const run = await context.records.run(id);
  const source = run?.channelId === actor.channel.id ? await runSource(run, context) : null;
  if (source === null) throw gone('This training');
  return source;
}

const samples: Action = async (id, actor, context) => samplesCard(await runHere(id, actor, context));

const settings: Action = async (id, actor, context) => runSettingsCard(await runHere(id, actor, context));

const cells: Action = async (id, actor, context) => {
  const source = await runHere(id, actor, context);
  if (source.run.sweep === null) throw gone('This sweep');
  return cellsCard(source, source.run.sweep);
};

const reveal: Action = async (id, actor, context) => {
  const picture = await context.records.picture(id);
  if (!picture) throw gone('This picture');
  const { prompt } = await setHere(context.records, actor, picture.setId);
  const title = plain(prompt);
  return {
    tone: 'info',
    title,
    pictures: [{ id, blobHash: picture.blobHash, alt: title }],
    audience: 'caller',
  };
};

const champion: Action = async (id, actor, context) => {
  const adapter = await context.records.adapter(id);
  const subject = adapter && (await context.records.subject(adapter.subjectId));
  if (!subject || adapter.channelId !== actor.channel.id) throw gone('This adapter');
  const named = { name: adapterName(subject, adapter), adapter, subject };
  return await crown(actor, named, true, context);
};

const forget: Action = async (id, actor, context) => await forgetSubject(id, actor, context);

const erase: Action = async (id, actor, context) => await eraseOwn(id, actor, context);

const hint: Action = async (id, actor, context) => {
  const subject = await context.records.subject(id);
  if (subject?.channelId !== actor.channel.id) throw gone('This subject');
  const name = plain(subject.name);
  return {
    tone: 'info',
    title: `Draw ${name}`,
    text: [
      'Type a prompt with its name, for example:',
      `\`/krona imagine a watercolour of ${name}\``,
      `\`/krona imagine ${name} as an astronaut count:4\``,
    ],
    audience: 'caller',
  };
};

const gallery: Action = async (id, actor, context) => await turnPage(id, actor, context);

const pull: Action = async (name, actor, context) => await askToPull(name, actor, context);

const accept: Action = async (name, actor, context) => await acceptAndPull(name, actor, context);

const use: Action = async (name, actor, context) => await chooseModel(name, 'channel', actor, context);

const ACTIONS: Readonly<Record<string, Needs & { readonly act: Action }>> = {
  cancel: { act: cancel },
  champion: { act: champion, needs: 'settings' },
  hint: { act: hint },
  again: { act: again, needs: 'imagine' },
  retrain: { act: retrain, needs: 'train' },
  vary: { act: vary, needs: 'imagine' },
  upscale: { act: upscale, needs: 'imagine' },
  emoji: { act: emoji },
  details: { act: details },
  gallery: { act: gallery },
  samples: { act: samples },
  settings: { act: settings },
  sweep: { act: startSweep, needs: 'train' },
  cells: { act: cells },
  drop: { act: dropCell },
  reveal: { act: reveal },
  delete: { act: remove },
  forget: { act: forget },
  erase: { act: erase, openToBlocked: true },
  pull: { act: pull, needs: 'moderator' },
  accept: { act: accept, needs: 'moderator' },
  use: { act: use, needs: 'moderator' },
};

/**
 * Runs a button's action for the member who pressed it. A KronaError becomes a card that only this member sees; any other
 * error is a bug, which the gateway logs and answers with `errorCard`.
 *
 * @param action - `verb:recordId`, from `CardButton.action`
 */
export async function runAction(action: string, actor: Actor, context: CommandContext): Promise<Card> {
  const [verb = '', id = ''] = action.split(':');
  try {
    const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb] : undefined;
    if (!action)
      throw new KronaError(
        'ACTION_UNKNOWN',
        'This button belongs to another version of Krona. Use the command instead.',
      );
    await admit(context.records, actor, action);
    return await action.act(id, actor, context);
  } catch (error) {
    if (error instanceof KronaError) return errorCard(error);
    throw error;
  }
}
