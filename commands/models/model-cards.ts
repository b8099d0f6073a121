/** @file Cards about models: the catalogue, the model of a channel, and the question for a licence. */
import type { CatalogueModel } from '../../core/catalogue.ts';
import { byteSize, duration, percentDone } from '../../core/format.ts';
import { pictureTime } from '../../core/settings/computer.ts';
import type { Pull } from '../../core/records.ts';
import { DEFAULT_MODEL, SMALL_MODEL, type ModelCard } from '../../core/settings/model-card.ts';
import { expectedTime, fitsMemory, memoryNeeded, suits } from '../../core/settings/model-needs.ts';
import type { ChannelSettings } from '../../core/settings/schema.ts';
import type { Card, CardButton } from '../card.ts';
import { fieldsOf, plain } from '../cards/format.ts';
import { defaultName, type Offer } from './known-models.ts';

/** Buttons under a list: platforms show five in a row. */
const MOST_BUTTONS = 5;
/** What a welcome offers. */
const MOST_WELCOME = 3;

const FAMILIES: Readonly<Record<string, string>> = { sd1: 'SD 1', sd2: 'SD 2', sdxl: 'SDXL' };

/** `4.2 GiB`, on the worker's device. */
const memoryText = (model: CatalogueModel, usual: ModelCard | null): string =>
  byteSize(memoryNeeded(model, usual?.computer ?? { device: 'cpu' }));

/** `about 8 s (computed)`, or `–`. */
function timeText(model: CatalogueModel, card: ModelCard | null, usual: ModelCard | null): string {
  const time = usual && expectedTime(model, card, usual);
  return time ? `about ${duration(time.seconds)} (${time.basis})` : '–';
}

/** How far a download is. */
export const pullState = ({ progress }: Pick<Pull, 'progress'>): string =>
  progress === null ? 'being pulled' : `pulling, ${percentDone(progress)}`;

function stateText({ model, here, pull }: Offer, inUse: string, usual: ModelCard | null): string {
  if (model.name === inUse) return 'in use here';
  if (pull !== null) return pullState(pull);
  if (here !== null) return 'ready';
  return fitsMemory(model, usual?.computer) ? 'can be pulled' : 'too large here';
}

const pullButtons = (models: readonly CatalogueModel[]): CardButton[] =>
  models.map(({ name, title }) => ({ action: `pull:${name}`, label: `Pull ${title}` }));

/** Models that are not here and suit this computer, those that are fastest here first. */
function suitable(all: readonly Offer[], usual: ModelCard): CatalogueModel[] {
  const seconds = (model: CatalogueModel): number =>
    expectedTime(model, null, usual)?.seconds ?? model.figures.step * model.steps;
  return all
    .filter(({ model, here, pull }) => here === null && pull === null && suits(model, usual))
    .map(({ model }) => model)
    .sort((a, b) => seconds(a) - seconds(b));
}

/** Where a card about models is shown. */
interface Place {
  /** The model of the channel, by name. */
  readonly inUse: string;
  /** The card of KRONA_MODEL's own; null: no worker has described it. */
  readonly usual: ModelCard | null;
  readonly moderator: boolean;
}

/** Returns the catalogue, with what each model takes here. */
export function listCard(all: readonly Offer[], { inUse, usual, moderator }: Place): Card {
  const own = [
    defaultName(usual),
    ...Array.from({ length: 7 }, () => '–'),
    inUse === DEFAULT_MODEL ? 'in use here' : 'ready',
  ];
  const buttons = moderator && usual ? pullButtons(suitable(all, usual).slice(0, MOST_BUTTONS)) : [];
  return {
    tone: 'info',
    title: 'Models',
    text: [
      '`/krona model pull` downloads one, `/krona model use` draws with it. Memory and times are for the worker’s computer' +
        (usual?.computer?.memory == null ? '.' : `, which has ${byteSize(usual.computer.memory)}.`),
    ],
    table: {
      columns: [
        'model',
        'family',
        'disk',
        'memory',
        'a picture',
        'licence',
        'commercial use',
        'good at',
        'state',
      ],
      rows: [
        own,
        ...all.map((offer) => {
          const { model, here } = offer;
          return [
            model.name,
            `${FAMILIES[model.architecture]}, ${model.size}²`,
            byteSize(here?.pulled?.bytes ?? model.bytes),
            memoryText(model, usual),
            timeText(model, here?.card ?? null, usual),
            model.licence.title,
            model.licence.commercial,
            model.goodAt,
            stateText(offer, inUse, usual),
          ];
        }),
      ],
    },
    ...(buttons.length > 0 && { buttons }),
    audience: 'caller',
  };
}

/** Returns what to offer in an empty channel; null where nothing suits the computer, or a larger model is here already. */
export function welcomeCard(all: readonly Offer[], { inUse, usual }: Omit<Place, 'moderator'>): Card | null {
  const isOwn = inUse === DEFAULT_MODEL && usual !== null && usual.nativeSize <= SMALL_MODEL;
  if (!isOwn || all.some(({ here, pull }) => here !== null || pull !== null)) return null;
  const models = suitable(all, usual).slice(0, MOST_WELCOME);
  if (models.length === 0) return null;
  return {
    tone: 'info',
    title: 'Draw real pictures',
    text: [
      `${plain(usual.name)} draws at ${usual.nativeSize}×${usual.nativeSize} pixels. These models suit this computer. Krona asks about ` +
        'the licence before it downloads one.',
    ],
    table: {
      columns: ['model', 'disk', 'memory', 'a picture', 'good at'],
      rows: models.map((model) => [
        model.title,
        byteSize(model.bytes),
        memoryText(model, usual),
        timeText(model, null, usual),
        model.goodAt,
      ]),
    },
    buttons: pullButtons(models),
    audience: 'caller',
  };
}

/** Returns the facts about a channel's model. @param model - null: KRONA_MODEL's own */
export function showCard(
  model: CatalogueModel | null,
  card: ModelCard | null,
  {
    usual,
    settings,
    commit,
    adapters,
  }: Pick<Place, 'usual'> & {
    readonly settings: ChannelSettings;
    readonly commit: string | null;
    /** How many adapters of the channel belong to it. */
    readonly adapters: number;
  },
): Card {
  const time = model === null ? card && pictureTime(card, settings) : timeText(model, card, usual);
  return {
    tone: 'info',
    title: `${model?.title ?? plain(defaultName(card))} draws here`,
    text: [
      model === null
        ? 'It is the worker’s own model (`KRONA_MODEL`). `/krona model list` shows others.'
        : `Good at ${model.goodAt}. \`/krona model use model:default\` returns to the worker’s own model.`,
    ],
    fields: fieldsOf([
      ['family', card && `${card.architecture}, ${card.nativeSize}×${card.nativeSize} pixels`],
      ['from', model && `${model.repo}${commit === null ? '' : ` at ${commit.slice(0, 12)}`}`],
      ['licence', model && `${model.licence.title}: ${model.licence.url}`],
      ['commercial use', model && model.licence.commercial],
      ['memory', model && memoryText(model, usual)],
      ['a picture', time],
      ['its adapters in this channel', String(adapters)],
    ]),
    audience: 'caller',
  };
}

/** Returns the question whether a moderator accepts a licence. */
export function licenceCard(model: CatalogueModel, usual: ModelCard | null): Card {
  const { name, title, repo, licence, bytes } = model;
  return {
    tone: 'warning',
    title: `Accept the licence of ${title}?`,
    text: [
      `${title} (${repo}) is under ${licence.title}: ${licence.url}`,
      'Read it first. Krona asks once for each licence and records who accepted it.',
    ],
    fields: [
      { name: 'commercial use', value: licence.commercial },
      { name: 'download', value: byteSize(bytes) },
      { name: 'memory', value: memoryText(model, usual) },
      { name: 'a picture', value: timeText(model, null, usual) },
    ],
    buttons: [{ action: `accept:${name}`, label: 'Accept and pull', style: 'primary' }],
    audience: 'caller',
  };
}
