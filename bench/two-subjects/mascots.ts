/** @file The mascots of the evaluation, each with an adapter of its own that is trained at the defaults. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { at } from '../../core/at.ts';
import { embeddedModel } from '../../core/package.ts';
import { trainingPrompt } from '../../core/prompt.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { trainDefaults, trainRecipe } from '../../gpu-worker/training/train-options.ts';
import { readSubjects, subjectPhotos, subjectSprite, type Subject } from '../../lab/evaluate/subjects.ts';
import { openJudgeArt } from '../../lab/evaluate/judge-art.ts';
import type { PretrainData } from '../../lab/pretrain/concepts.ts';
import type { Sprite } from '../../lab/pretrain/sprites.ts';

/** Rare words, one for each, as chats give them. */
const TOKENS = ['zqkv', 'wbrx', 'ohwx', 'plqm', 'vujk'];

export interface Mascot extends Pick<Subject, 'name' | 'class'> {
  readonly token: string;
  readonly sprite: Sprite;
  readonly adapter: string;
}

/** Trains the adapters that are not in the folder yet. */
export async function trainedMascots(data: PretrainData, folder: string): Promise<Mascot[]> {
  const recipe = await readSubjects();
  const art = await openJudgeArt();
  const card = modelCard(await openModel(embeddedModel));
  const all: Mascot[] = [];
  for (const [n, subject] of recipe.mascots.entries()) {
    const own = join(folder, subject.name);
    const mascot = {
      ...subject,
      token: at(TOKENS, n),
      sprite: await subjectSprite(art, subject),
      adapter: join(own, 'adapter.safetensors'),
    };
    all.push(mascot);
    if (existsSync(mascot.adapter)) continue;
    await mkdir(own, { recursive: true });
    const photos: string[] = [];
    for (const [place, photo] of (await subjectPhotos(data, recipe, mascot.sprite)).entries()) {
      const path = join(own, `${place + 1}.png`);
      await writeFile(path, photo);
      photos.push(path);
    }
    await trainAdapter({
      ...trainRecipe(card),
      ...trainDefaults(card),
      model: embeddedModel,
      photos,
      subjectToken: mascot.token,
      subjectClass: mascot.class,
      prompt: trainingPrompt({ token: mascot.token, className: mascot.class }),
      method: 'krona',
      seed: 1,
      checkpointEvery: null,
      resume: false,
      trace: null,
      out: mascot.adapter,
    });
  }
  return all;
}
