/**
 * @file The parts of `krona evaluate votes` for one subject: its champion, the sets that are voted on, and one adapter after
 * the other against the champion on prompts that nobody voted on. Every part is a file and is computed once.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { at } from '../../core/at.ts';
import { writeWhole } from '../../core/files.ts';
import { toBytes } from '../../core/pictures/rgb-bytes.ts';
import { countPairs, type PictureBallot } from '../../core/preference-pairs.ts';
import { trainingPrompt } from '../../core/prompt.ts';
import { KeyedRandom } from '../../core/random.ts';
import { mostNamed } from '../../core/votes/steer-votes.ts';
import type { AppliedAdapter } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { fittedPixels } from '../../gpu-worker/sampling/part-of-picture.ts';
import { steerBy, type Steer } from '../../gpu-worker/sampling/steering.ts';
import { checkpointPath } from '../../gpu-worker/training/checkpoint.ts';
import type { PairFigures } from '../../gpu-worker/training/refine-options.ts';
import { trainAdapter } from '../../gpu-worker/training/train.ts';
import { trainDefaults, trainRecipe, type TrainOptions } from '../../gpu-worker/training/train-options.ts';
import { drawJudged } from '../pretrain/evaluate-model.ts';
import { baseStripPath, photoPath, type Comparison, type ComparisonFolder } from './compare-subject.ts';
import type { Scores } from './comparison-scores.ts';
import { readJson, readStrip, writeJson, writeStrip } from './files.ts';
import { pictureId, SET_SIZE, simulatedBallots } from './simulated-members.ts';
import { mean } from './statistics.ts';
import { textOf } from './subjects.ts';
import { tasteScore, type Taste } from './tastes.ts';
import {
  membersOf,
  setsOf,
  TEST_PROMPTS,
  VOTED_PROMPTS,
  votesKey,
  type RefineSettings,
  type VotesCell,
  type VotesSize,
} from './votes-plan.ts';

/** Scores of an adapter's pictures as in `krona evaluate methods`, as one number each. */
export interface Beside {
  readonly fidelity: number;
  readonly alignment: number;
  readonly drift: number;
}

export interface VotesResult extends VotesCell {
  /** Share of pictures that the taste prefers to the champion's from the same prompt and seed; equal ones count half. */
  readonly wins: number;
  readonly adapter: Beside;
  readonly champion: Beside;
  readonly pairs: number;
  /** Mean taste of the pictures, the adapter's minus the champion's, in deviations of the champion's. */
  readonly gain: number;
  /** The last figures of the training. */
  readonly trained: PairFigures | null;
  readonly heldOut: PairFigures | null;
  /** Of training and drawing. */
  readonly seconds: number;
}

type VoteCount = Pick<VotesCell, 'subject' | 'taste' | 'votes' | 'troll'>;

interface DrawnBy {
  readonly adapter: AppliedAdapter;
  readonly steer: Steer | null;
}

/** Seeds of sets and of comparing pictures, apart from each other and from those of the scores. */
const [SET_SEED, TEST_SEED] = [20_000, 40_000];

export const votesResultPath = (out: string, cell: VotesCell): string =>
  join(out, 'votes', `${votesKey(cell)}.json`);
export const votesStripPath = (out: string, cell: VotesCell): string =>
  join(out, 'votes', `${votesKey(cell)}.png`);
export const championStripPath = (out: string, subject: string): string =>
  join(out, 'champions', subject.replaceAll(' ', '-'), 'tests.png');

export class VotesStudy {
  readonly #comparison: Comparison;
  readonly #folder: ComparisonFolder;
  readonly #size: VotesSize;
  readonly #signal: AbortSignal | undefined;

  constructor(comparison: Comparison, folder: ComparisonFolder, size: VotesSize, signal?: AbortSignal) {
    this.#comparison = comparison;
    this.#folder = folder;
    this.#size = size;
    this.#signal = signal;
  }

  /** Photos, champion, sets and the champion's own pictures, where they are missing. */
  async prepare(subject: string): Promise<void> {
    await this.#comparison.prepare(subject);
    const photosOnly = { seed: 0, ...trainDefaults(modelCard(this.#comparison.painter.model)) };
    const champion = this.#champion(subject);
    await mkdir(join(champion, '..'), { recursive: true });
    // The other adapters of the subject: the champion's checkpoint halfway, and one from another seed.
    const options = { ...this.#options(subject, champion), ...photosOnly };
    const halfway = Math.floor(options.steps / 2);
    if (!existsSync(champion)) await this.#train({ ...options, checkpointEvery: halfway });
    const other = this.#file(subject, 'other.safetensors');
    if (!existsSync(other)) await this.#train({ ...options, seed: 1, out: other });
    await this.#drawSets(subject);
    if (existsSync(this.#file(subject, 'scores.json'))) return;
    const drawnBy = { adapter: await this.#comparison.painter.readAdapter(champion), steer: null };
    await writeStrip(
      championStripPath(this.#folder.out, subject),
      await this.#tests(subject, drawnBy),
      this.#side,
    );
    await writeJson(this.#file(subject, 'scores.json'), await this.#beside(subject, drawnBy));
  }

  /** Makes a cell's adapter and compares it, unless its result is there. The subject must be prepared. */
  async run(cell: VotesCell): Promise<VotesResult> {
    const path = votesResultPath(this.#folder.out, cell);
    const known = await readJson<VotesResult>(path);
    if (known) return known;
    const began = performance.now();
    const out = join(this.#folder.out, 'adapters', votesKey(cell), 'adapter.safetensors');
    await mkdir(join(out, '..'), { recursive: true });
    const { adapter: file, ...facts } = await this.#adapterOf(cell, out);
    const drawnBy: DrawnBy = {
      adapter: await this.#comparison.painter.readAdapter(file),
      steer: cell.how === 'steering' ? await this.#steer(cell) : null,
    };
    const tests = await this.#tests(cell.subject, drawnBy);
    await writeStrip(votesStripPath(this.#folder.out, cell), tests, this.#side);
    const result: VotesResult = {
      ...cell,
      ...(await this.#compared(cell, tests)),
      adapter: await this.#beside(cell.subject, drawnBy),
      champion: (await readJson<Beside>(this.#file(cell.subject, 'scores.json')))!,
      ...facts,
      seconds: (performance.now() - began) / 1000,
    };
    await writeJson(path, result);
    await rm(join(out, '..'), { recursive: true, force: true });
    return result;
  }

  get #side(): number {
    return this.#comparison.data.size;
  }

  #file(subject: string, name: string): string {
    return join(this.#folder.out, 'champions', subject.replaceAll(' ', '-'), name);
  }

  #champion(subject: string): string {
    return this.#file(subject, 'champion.safetensors');
  }

  async #adapterOf(cell: VotesCell, out: string) {
    const none = { pairs: 0, trained: null, heldOut: null };
    if (cell.how === 'best adapter')
      return { ...none, adapter: await this.#bestAdapter(cell.subject, cell.taste) };
    if (cell.how === 'steering') return { ...none, adapter: this.#champion(cell.subject) };
    const options = await this.#refinement(cell, out);
    const { preference } = await this.#train(options);
    const { heldOut = null, ...trained } = preference.at(-1) ?? {};
    return {
      adapter: out,
      pairs: options.refine?.pairs.length ?? 0,
      trained: 'margin' in trained ? { margin: trained.margin, accuracy: trained.accuracy } : null,
      heldOut,
    };
  }

  /** The options of a cell's training: a refinement, or as many steps on the photos alone. */
  async #refinement({ subject, taste, votes, troll, how }: VotesCell, out: string): Promise<TrainOptions> {
    const settings = typeof how === 'string' ? at(this.#size.grid, 0) : how;
    const { loss, beta, photoWeight, exampleShare, steps, lr } = settings;
    const counted =
      how === settings ? countPairs(await this.#ballots({ subject, taste, votes, troll })) : null;
    const alone = how !== settings || loss === 'examples';
    const picture = (id: string): string => this.#picture(subject, id);
    return {
      ...this.#options(subject, out),
      steps,
      lr,
      refine: {
        from: this.#champion(subject),
        pairs: (counted?.pairs ?? []).map(({ setId, winner, loser, weight }) => ({
          winner: picture(winner),
          loser: picture(loser),
          prompt: this.#votedPrompt(subject, Number(setId)),
          weight,
          set: setId,
        })),
        examples: (counted?.winners ?? []).map(({ setId, picture: id, weight }) => ({
          picture: picture(id),
          prompt: this.#votedPrompt(subject, Number(setId)),
          weight,
        })),
        preference: loss === 'ipo' ? 'ipo' : 'dpo',
        beta,
        photoWeight,
        exampleSteps: alone ? steps : Math.round(exampleShare * steps),
      },
    };
  }

  /** The members' ballots. */
  async #ballots({ subject, taste, votes, troll }: VoteCount): Promise<PictureBallot[]> {
    const scores: number[][] = [];
    for (let set = 0; set < setsOf(this.#size); set++) {
      const ofSet: number[] = [];
      for (const picture of (await readStrip(this.#setPath(subject, set))) ?? [])
        ofSet.push(await tasteScore(taste, picture, this.#comparison.judges));
      scores.push(ofSet);
    }
    const seed = new KeyedRandom(0, `members of ${subject} ${taste}`).integer(2 ** 31);
    return simulatedBallots(scores, votes, { seed, ...membersOf({ troll }) });
  }

  /** The pictures that steer, as a channel's votes choose them. */
  async #steer(cell: VotesCell): Promise<Steer> {
    const { painter } = this.#comparison;
    const size = { width: this.#side, height: this.#side };
    return steerBy(mostNamed(await this.#ballots(cell)), async (id) => {
      const pixels = await fittedPixels(await readFile(this.#picture(cell.subject, id)), size);
      return painter.latentsOf({ ...size, pixels });
    });
  }

  /** The adapter with the most to the taste on the prompts that were voted on: what choosing alone can reach. */
  async #bestAdapter(subject: string, taste: Taste): Promise<string> {
    const champion = this.#champion(subject);
    const { steps } = trainDefaults(modelCard(this.#comparison.painter.model));
    const files = [
      champion,
      checkpointPath(champion, Math.floor(steps / 2)),
      this.#file(subject, 'other.safetensors'),
    ];
    const scores: number[] = [];
    for (const file of files) {
      const adapter = await this.#comparison.painter.readAdapter(file);
      const found: number[] = [];
      for (let set = 0; set < VOTED_PROMPTS.length; set++)
        for (const picture of await this.#drawSet(subject, set, adapter))
          found.push(await tasteScore(taste, picture, this.#comparison.judges));
      scores.push(mean(found));
    }
    return at(files, scores.indexOf(Math.max(...scores)));
  }

  async #train(options: TrainOptions) {
    return trainAdapter(options, this.#signal ? { signal: this.#signal } : {});
  }

  #options(subject: string, out: string): TrainOptions {
    const { recipe, painter } = this.#comparison;
    const card = modelCard(painter.model);
    const { token } = recipe;
    const { class: className } = this.#comparison.subject(subject);
    return {
      ...trainRecipe(card),
      ...trainDefaults(card),
      model: this.#folder.model,
      photos: recipe.photos.map((_, index) => photoPath(this.#folder.out, subject, index)),
      subjectToken: token,
      subjectClass: className,
      prompt: trainingPrompt({ token, className }),
      method: 'krona',
      seed: 2,
      checkpointEvery: null,
      stateSeconds: 60,
      resume: true,
      trace: null,
      out,
    };
  }

  #setPath(subject: string, set: number): string {
    return this.#file(subject, `set-${set}.png`);
  }

  #picture(subject: string, id: string): string {
    return this.#file(subject, `picture-${id}.png`);
  }

  #votedPrompt(subject: string, set: number): string {
    const text = at(VOTED_PROMPTS, set % VOTED_PROMPTS.length);
    return textOf({ text }, this.#comparison.recipe, this.#comparison.subject(subject));
  }

  #drawSet(subject: string, set: number, adapter: AppliedAdapter): Promise<Float32Array[]> {
    const asked = {
      prompt: this.#votedPrompt(subject, set),
      seed: SET_SEED + set * SET_SIZE,
      count: SET_SIZE,
    };
    return drawJudged(this.#comparison.painter, this.#side, { ...asked, adapter });
  }

  async #drawSets(subject: string): Promise<void> {
    const adapter = await this.#comparison.painter.readAdapter(this.#champion(subject));
    const raw = { width: this.#side, height: this.#side, channels: 3 as const };
    for (let set = 0; set < setsOf(this.#size); set++) {
      if (existsSync(this.#setPath(subject, set))) continue;
      this.#signal?.throwIfAborted();
      const pictures = await this.#drawSet(subject, set, adapter);
      for (const [place, picture] of pictures.entries()) {
        const png = await sharp(toBytes(picture), { raw }).png().toBuffer();
        await writeWhole(this.#picture(subject, pictureId(set, place)), png);
      }
      await writeStrip(this.#setPath(subject, set), pictures, this.#side);
    }
  }

  /** Pictures of the prompts that nobody votes on. */
  async #tests(subject: string, { adapter, steer }: DrawnBy): Promise<Float32Array[]> {
    const { recipe, painter } = this.#comparison;
    const pictures: Float32Array[] = [];
    for (const [n, text] of TEST_PROMPTS.entries()) {
      this.#signal?.throwIfAborted();
      const prompt = textOf({ text }, recipe, this.#comparison.subject(subject));
      const count = this.#size.testSeeds;
      const asked = { prompt, seed: TEST_SEED + n * SET_SIZE, count, adapter, ...(steer && { steer }) };
      pictures.push(...(await drawJudged(painter, this.#side, asked)));
    }
    return pictures;
  }

  async #compared({ subject, taste }: VotesCell, tests: readonly Float32Array[]) {
    const champion = (await readStrip(championStripPath(this.#folder.out, subject))) ?? [];
    const scoresOf = async (pictures: readonly Float32Array[]): Promise<number[]> => {
      const scores: number[] = [];
      for (const picture of pictures) scores.push(await tasteScore(taste, picture, this.#comparison.judges));
      return scores;
    };
    const [ours, theirs] = [await scoresOf(tests), await scoresOf(champion)];
    const middle = mean(theirs);
    const spread = Math.sqrt(mean(theirs.map((score) => (score - middle) ** 2)));
    return {
      wins: mean(ours.map((score, n) => (Math.sign(score - at(theirs, n)) + 1) / 2)),
      gain: (mean(ours) - middle) / Math.max(spread, 1e-6),
    };
  }

  async #beside(subject: string, { adapter, steer }: DrawnBy): Promise<Beside> {
    const { subject: found } = { subject: this.#comparison.subject(subject) };
    const pictures = await this.#comparison.draw(found, adapter, 1, steer);
    const base = await readStrip(baseStripPath(this.#folder.out, subject));
    const scores: Scores = await this.#comparison.score(found, pictures, base);
    return {
      fidelity: mean(Object.values(scores.fidelity)),
      alignment: mean([scores.background, scores.partner, scores.style]),
      drift: mean(Object.values(scores.drift)),
    };
  }
}

/** Whether a cell's adapter comes from these settings. */
export const isOf = (settings: RefineSettings, { how }: VotesCell): boolean =>
  JSON.stringify(how) === JSON.stringify(settings);
