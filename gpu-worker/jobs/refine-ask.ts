/**
 * @file What a refinement trains on: the champion, and pairs by the votes that stand when it starts. Both are copied into
 * the run's folder, so that a resumed run has the same, whatever is deleted or taken back meanwhile. Votes are stored with the
 * blobs too, for a worker that lacks the folder.
 */
import { join } from 'node:path';
import { KronaError } from '../../core/errors.ts';
import { exists, readFileIfAny, writeWhole } from '../../core/files.ts';
import { resolvePrompt } from '../../core/prompt.ts';
import type { Run, Subject } from '../../core/records.ts';
import { defaultOf } from '../../core/settings/defaults.ts';
import { refineVotes, votesMissing, type RefineVotes } from '../../core/votes/refine-votes.ts';
import type { RefineOptions } from '../training/refine-options.ts';
import type { WorkerContext } from './context.ts';
import { isLost } from './hand-over.ts';
import { copyBlob } from './local-files.ts';

export interface RefineAsk {
  readonly options: RefineOptions;
  readonly members: number;
  /** Of the blob with the votes; null where all workers see the run's folder. */
  readonly votesHash: string | null;
}

/**
 * Returns the options of a run's refinement; null for other trainings.
 *
 * @param begun - an earlier attempt has begun it, perhaps on another machine: it goes on, whoever is the champion by now
 * @throws KronaError CHAMPION_GONE, CHAMPION_CHANGED, CHAMPION_OTHER_MODEL, VOTES_TOO_FEW
 */
export async function refineAsk(
  context: WorkerContext,
  run: Run,
  subject: Subject,
  folder: string,
  begun: boolean,
): Promise<RefineAsk | null> {
  if (run.refinement === null) return null;
  const from = await championFile(context, run.refinement.from, subject, folder, begun);
  const votes = await votesOf(context, run, subject, folder);
  const { pairs, examples, members } = votes;
  const stored = context.isApart ? await context.blobs.put(Buffer.from(JSON.stringify(votes))) : null;
  const picture = (hash: string): string => pictureFile(folder, hash);
  const options = {
    from,
    pairs: pairs.map(({ setId, winner, loser, ...pair }) => ({
      ...pair,
      set: setId,
      winner: picture(winner),
      loser: picture(loser),
    })),
    examples: examples.map((example) => ({ ...example, picture: picture(example.picture) })),
    preference: defaultOf('preference'),
    beta: defaultOf('beta'),
    photoWeight: defaultOf('photoWeight'),
    exampleSteps: defaultOf('exampleSteps'),
  };
  return { options, members, votesHash: stored?.hash ?? null };
}

const pictureFile = (folder: string, hash: string): string => join(folder, `picture-${hash}.png`);

async function championFile(
  context: WorkerContext,
  adapterId: string,
  { name, championId }: Subject,
  folder: string,
  begun: boolean,
): Promise<string> {
  const path = join(folder, 'champion.safetensors');
  if (!(await exists(path))) {
    const again = `Refine again with \`/krona refine subject:${name}\`.`;
    if (championId !== adapterId && !begun)
      throw new KronaError(
        'CHAMPION_CHANGED',
        `The champion of ${name} changed before the run started. ${again}`,
      );
    const adapter = await context.records.adapter(adapterId);
    if (adapter === null)
      throw new KronaError('CHAMPION_GONE', `The champion of ${name} was deleted. ${again}`);
    await copyBlob(context, adapter.blobHash, path);
  }
  // The worker's model can be another one when a run resumes.
  if (await context.engine.fits(path)) return path;
  throw new KronaError(
    'CHAMPION_OTHER_MODEL',
    `The champion of ${name} was trained on another model. Train ${name} again first.`,
  );
}

/** The votes that stood when the run first started, with prompts for the model. */
async function votesOf(
  context: WorkerContext,
  run: Run,
  subject: Subject,
  folder: string,
): Promise<RefineVotes> {
  const path = join(folder, 'votes.json');
  const saved = await readFileIfAny(path);
  if (saved !== null) return JSON.parse(saved) as RefineVotes;
  const votes =
    (await storedVotes(context, run, folder)) ?? (await standingVotes(context, run, subject, folder));
  await writeWhole(path, JSON.stringify(votes));
  return votes;
}

/** The votes of now, with their pictures. @throws KronaError VOTES_TOO_FEW */
async function standingVotes(
  context: WorkerContext,
  run: Run,
  subject: Subject,
  folder: string,
): Promise<RefineVotes> {
  const { records } = context;
  const read = refineVotes(subject.id, await records.standingVotes(run.channelId, { subjectId: subject.id }));
  const missing = votesMissing(read, subject.name);
  if (missing !== null) throw new KronaError('VOTES_TOO_FEW', missing);
  const subjects = await records.subjects(run.channelId);
  const resolved = <T extends { readonly prompt: string }>(each: T): T => ({
    ...each,
    prompt: resolvePrompt(each.prompt, subjects, [subject.id]).text,
  });
  const votes: RefineVotes = {
    ...read,
    pairs: read.pairs.map(resolved),
    examples: read.examples.map(resolved),
  };
  await copyPictures(context, votes, folder);
  return votes;
}

/** The votes with which another worker has begun, with their pictures; null where there are none, or one was deleted. */
async function storedVotes(
  context: WorkerContext,
  { id, refinement }: Run,
  folder: string,
): Promise<RefineVotes | null> {
  const hash = refinement?.votesHash;
  if (hash === undefined) return null;
  try {
    const votes = JSON.parse(Buffer.from(await context.blobs.get(hash)).toString()) as RefineVotes;
    await copyPictures(context, votes, folder);
    return votes;
  } catch (error) {
    if (!isLost(error)) throw error;
    context.log.warn(
      { error, id },
      'a picture of the votes that the refinement began with was deleted: it starts again with the votes of now',
    );
    return null;
  }
}

async function copyPictures(context: WorkerContext, votes: RefineVotes, folder: string): Promise<void> {
  const pictures = [
    ...votes.pairs.flatMap(({ winner, loser }) => [winner, loser]),
    ...votes.examples.map(({ picture }) => picture),
  ];
  for (const hash of new Set(pictures)) await copyBlob(context, hash, pictureFile(folder, hash));
}
