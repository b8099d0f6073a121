/** @file The models of this installation by what members type: those of the catalogue, and KRONA_MODEL's own. */
import { catalogue, catalogueModel, modelFolderName, type CatalogueModel } from '../../core/catalogue.ts';
import { KronaError } from '../../core/errors.ts';
import type { Pull } from '../../core/records.ts';
import { DEFAULT_MODEL, type ModelCard } from '../../core/settings/model-card.ts';
import type { KnownModel, Records } from '../../storage/records.ts';
import type { CommandContext, OptionData } from '../contract.ts';

/** KRONA_MODEL's own, as people call it. @param card - null: no worker has described it yet */
export const defaultName = (card: Pick<ModelCard, 'name'> | null): string => card?.name ?? DEFAULT_MODEL;

/** Whether a model of the catalogue is the one that KRONA_MODEL names. */
const isDefault = (model: CatalogueModel, usual: ModelCard | null): boolean =>
  usual?.name === modelFolderName(model);

/** Returns what people call a model that a record names. */
export async function modelTitle(records: Records, name: string): Promise<string> {
  if (name === DEFAULT_MODEL) return defaultName(await records.modelCard());
  return catalogue().models.find((model) => model.name === name)?.title ?? name;
}

/** A model of the catalogue, as it is here. */
export interface Offer {
  readonly model: CatalogueModel;
  /** null: it is not here. */
  readonly here: KnownModel | null;
  /** The download under way. */
  readonly pull: Pull | null;
}

/** The whole catalogue, without the model that KRONA_MODEL names. */
export async function offers(records: Records, usual: ModelCard | null): Promise<Offer[]> {
  const [known, pulls] = [await records.models(), await records.openPulls()];
  return catalogue()
    .models.filter((model) => !isDefault(model, usual))
    .map((model) => ({
      model,
      here: known.find(({ name }) => name === model.name) ?? null,
      pull: pulls.find((pull) => pull.model === model.name) ?? null,
    }));
}

/**
 * Returns the model that a member means, KRONA_MODEL's own as null.
 *
 * @throws KronaError MODEL_NOT_IN_CATALOGUE
 */
export async function requireModel(records: Records, typed: string): Promise<CatalogueModel | null> {
  const usual = await records.modelCard();
  const name = typed.toLowerCase();
  if (name === DEFAULT_MODEL || name === usual?.name.toLowerCase()) return null;
  const model = catalogueModel(name);
  return isDefault(model, usual) ? null : model;
}

/** @throws KronaError MODEL_NOT_PULLED */
export async function requirePulled(records: Records, { name, title }: CatalogueModel): Promise<ModelCard> {
  const card = await records.modelCard(name);
  if (card !== null) return card;
  throw new KronaError(
    'MODEL_NOT_PULLED',
    `${title} is not here. Download it first: \`/krona model pull model:${name}\`.`,
  );
}

export const MODEL_OPTION = {
  name: 'model',
  description: 'Its name in the list',
  type: 'text',
  required: true,
  maxLength: 40,
} as const satisfies OptionData;

/** Completion of models that can be pulled. */
export const completeCatalogue = async (_typed: string, { records }: CommandContext): Promise<string[]> =>
  (await offers(records, await records.modelCard()))
    .filter(({ here }) => here === null)
    .map(({ model }) => model.name);

/** Completion of models that are here. */
export const completeKnown = async (_typed: string, { records }: CommandContext): Promise<string[]> =>
  (await records.models()).map(({ name, card }) => (name === DEFAULT_MODEL ? card.name : name));
