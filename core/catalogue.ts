/**
 * @file The models that chats can pull: those of models/catalogue.json, or of an administrator's file in the same form
 * (KRONA_CATALOGUE), which can use the same licences.
 * `npx tsx bench/catalogue-figures.ts` computes its figures.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import * as v from 'valibot';
import { readEnvironment } from './environment.ts';
import { KronaError } from './errors.ts';
import { suggestion } from './nearest.ts';
import { catalogueFile } from './package.ts';

/** A name as members type it, which is also part of paths and of button ids. */
const NAME = v.pipe(v.string(), v.regex(/^[a-z\d][a-z\d.-]{0,39}$/));
const TEXT = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const POSITIVE = v.pipe(v.number(), v.minValue(0));

const LICENCE = v.object({
  title: TEXT,
  /** Where its text is. */
  url: v.pipe(v.string(), v.url()),
  /** Whether pictures and the model can be used commercially, in a few words. */
  commercial: TEXT,
});

/** What a model takes, computed from its graphs. */
const FIGURES = v.object({
  /** Of all its parts. */
  parameters: POSITIVE,
  /** Peak bytes beside the weights, in 32 bits, at its own size: of a step or of decoding. */
  activations: POSITIVE,
  /** Work of a sampling step and of decoding a picture at its own size, 10^12 operations. */
  step: POSITIVE,
  decoding: POSITIVE,
});

const MODEL = v.object({
  name: NAME,
  title: TEXT,
  /** `owner/name` on the hub. */
  repo: v.pipe(v.string(), v.regex(/^\w[\w.-]*\/\w[\w.-]*$/)),
  /** Branch, tag or commit. */
  revision: v.pipe(v.string(), v.regex(/^[\w.-]{1,100}$/)),
  /** Of the weights, such as `fp16`; null: full precision. */
  variant: v.nullable(v.pipe(v.string(), v.regex(/^\w{1,20}$/))),
  architecture: v.picklist(['sd1', 'sd2', 'sdxl']),
  /** Side of the pictures that it draws, pixels. */
  size: v.pipe(v.number(), v.integer(), v.minValue(8)),
  /** Sampling steps that it usually takes. */
  steps: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** It predicts a second time for the negative prompt. */
  guided: v.boolean(),
  /** A name of `licences`. */
  licence: v.string(),
  goodAt: TEXT,
  /** Bytes of the files that a pull downloads, about. */
  bytes: POSITIVE,
  figures: FIGURES,
});

const CATALOGUE = v.object({
  licences: v.optional(v.record(NAME, LICENCE), {}),
  /** By `speedKey`: the work of models whose speed a device check measures. */
  references: v.optional(v.record(v.string(), v.pick(FIGURES, ['step', 'decoding'])), {}),
  models: v.array(MODEL),
});

export type ModelFigures = v.InferOutput<typeof FIGURES>;
type Licence = v.InferOutput<typeof LICENCE>;
export type Work = Pick<ModelFigures, 'step' | 'decoding'>;

export interface CatalogueModel extends Omit<v.InferOutput<typeof MODEL>, 'licence'> {
  readonly licence: Licence & { readonly name: string };
}

interface Catalogue {
  readonly models: readonly CatalogueModel[];
  readonly references: Readonly<Record<string, Work>>;
}

const read = new Map<string, Catalogue>();

/** The catalogue: the administrator's in place of Krona's own. @throws KronaError KRONA_CATALOGUE_INVALID */
export function catalogue(): Catalogue {
  const key = readEnvironment().KRONA_CATALOGUE ?? '';
  const known = read.get(key);
  if (known) return known;
  const shipped = parsed(readFileSync(catalogueFile, 'utf8'), {});
  const { models } = key === '' ? shipped : parsed(ownText(key), shipped.licences);
  const found = { models, references: shipped.references };
  read.set(key, found);
  return found;
}

function ownText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw invalid('it can’t be read', cause);
  }
}

function parsed(text: string, licences: Readonly<Record<string, Licence>>) {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid('it is not JSON', cause);
  }
  const result = v.safeParse(CATALOGUE, json);
  if (!result.success) {
    const [issue] = result.issues;
    throw invalid(`${v.getDotPath(issue) ?? 'it'} is not as models/catalogue.json has it`);
  }
  const { models, references } = result.output;
  checkDistinct(models);
  const known = { ...licences, ...result.output.licences };
  return {
    licences: known,
    references,
    models: models.map(({ licence: name, ...model }): CatalogueModel => {
      const licence = known[name];
      if (licence === undefined)
        throw invalid(`${model.name} has the licence ${name}, which it doesn’t describe`);
      return { ...model, licence: { ...licence, name } };
    }),
  };
}

/** Two models with one name or folder would replace each other's files. @throws KronaError KRONA_CATALOGUE_INVALID */
function checkDistinct(models: readonly Pick<CatalogueModel, 'name' | 'repo'>[]): void {
  for (const keyOf of [({ name }: { name: string }) => name, modelFolderName]) {
    const seen = new Map<string, string>();
    for (const model of models) {
      const key = keyOf(model).toLowerCase();
      const other = seen.get(key);
      if (other !== undefined)
        throw invalid(
          `${other} and ${model.name} would both be in models/${modelFolderName(model)}, or have one name`,
        );
      seen.set(key, model.name);
    }
  }
}

const invalid = (why: string, cause?: unknown): KronaError =>
  new KronaError('KRONA_CATALOGUE_INVALID', `The file that KRONA_CATALOGUE names can’t be used: ${why}.`, {
    cause,
  });

/** @throws KronaError MODEL_NOT_IN_CATALOGUE */
export function catalogueModel(name: string): CatalogueModel {
  const { models } = catalogue();
  const typed = name.toLowerCase();
  const found = models.find((model) => model.name === typed);
  if (found) return found;
  const names = models.map((model) => model.name);
  throw new KronaError(
    'MODEL_NOT_IN_CATALOGUE',
    `The catalogue has no model “${name.slice(0, 40)}”.${suggestion(typed, names)} \`/krona model list\` shows all.`,
  );
}

/** The name of a model's folder in `models/` of the data folder: its repository's, as `krona model pull` has it. */
export const modelFolderName = ({ repo }: Pick<CatalogueModel, 'repo'>): string => basename(repo);
