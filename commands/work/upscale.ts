/** @file `/krona upscale`: enlarges a picture that a member attaches. */
import { KronaError } from '../../core/errors.ts';
import { checkEnlarged, enlargementOf } from '../../core/pictures/enlarged-size.ts';
import type { PictureSet } from '../../core/records.ts';
import { randomSeed } from '../../core/seeds.ts';
import { checkDrawing } from '../../core/settings/check.ts';
import type { PictureSize } from '../../core/settings/choices.ts';
import { sizeOfShape } from '../../core/settings/picture-size.ts';
import { withOptions } from '../../core/settings/read.ts';
import { inChat, type ChannelSettings } from '../../core/settings/schema.ts';
import { loadCard } from '../cards/load-card.ts';
import type { Actor, Attachment, CommandContext } from '../contract.ts';
import { command } from '../define.ts';
import { beginWith, filesByOption, type Beginning } from '../photos/begin-with.ts';
import { settingOption } from '../settings/setting-options.ts';
import { MAX_PROMPT, readPrompt, required, type AskedPrompt } from './asked-prompt.ts';
import { castOf } from './cast.ts';
import { settingsNow } from './train.ts';
import { startSet } from './work.ts';

/** The prompt of a picture of which nothing is said: it leads nowhere. */
const UNSAID = 'a picture';

/** The size that a picture has before it is enlarged: its own, or to be drawn again, one that suits the model. */
function sizeBefore({ upscale }: ChannelSettings, { width, height }: Beginning, model: Model): PictureSize {
  return enlargementOf(upscale) === null
    ? sizeOfShape(width / height, required(model))
    : `${width}x${height}`;
}

type Model = Parameters<typeof required>[0];

/** Queues the set. */
function queue(
  actor: Actor,
  begun: Beginning,
  { prompt, alternatives: prompts, seed, negativeIn }: AskedPrompt,
  settings: ChannelSettings,
  { records }: CommandContext,
): Promise<PictureSet> {
  return records.transaction(async (inside) =>
    startSet(inside, actor, {
      // A network knows no subjects.
      ...(await castOf(inside, actor.channel, {
        prompts: enlargementOf(settings.upscale) === null ? prompts : [],
        subject: undefined,
        adapter: undefined,
      })),
      kind: 'upscale',
      prompt,
      negative: negativeIn(settings.negative),
      seed: seed ?? randomSeed(),
      count: 1,
      strength: 1,
      settings,
      variationOf: null,
      start: { ...begun.start, change: 1 },
    }),
  );
}

/** The picture to enlarge. @throws KronaError NO_PHOTOS, TOO_MANY_FILES */
function pictureOf(attachments: readonly Attachment[]): Attachment {
  const picture = filesByOption(attachments, ['picture']).get('picture');
  if (picture !== undefined) return picture;
  throw new KronaError('NO_PHOTOS', 'The command has no picture. Attach the one to enlarge.');
}

export const upscale = command(
  {
    name: 'upscale',
    direct: true,
    description: 'Enlarge a picture',
    example: '/krona upscale by:x2',
    options: [
      { name: 'picture', description: 'The picture', type: 'picture', required: true },
      { ...settingOption('upscale'), name: 'by', description: 'How (default: the channel’s `upscale`)' },
      {
        name: 'prompt',
        description: 'What it shows, for by:redraw',
        type: 'text',
        maxLength: MAX_PROMPT,
        freeText: true,
      },
    ],
    needs: 'imagine',
  },

  async (invocation, context) => {
    const { channel, options } = invocation;
    const picture = pictureOf(invocation.attachments);
    const model = await context.records.modelCard(channel.model);
    const prompt = options.prompt ?? UNSAID;
    const asked = await readPrompt(context.records, channel, { prompt, count: 1 }, model);
    const typed = { [inChat('upscale').name]: options.by };
    const usual = withOptions(await settingsNow(context.records, channel), typed, model);
    const times = enlargementOf(usual.upscale);
    const begun = await beginWith(invocation, picture, context, (sent) => {
      if (times !== null) checkEnlarged(sent, times, picture.fileName);
    });
    const settings = { ...usual, refine: 0, size: sizeBefore(usual, begun, model) };
    if (model && times === null) checkDrawing(settings, model);
    const set = await queue(invocation, begun, asked, settings, context);
    return loadCard('set', set.id, context);
  },
);
