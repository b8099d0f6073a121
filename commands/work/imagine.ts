/** @file `/krona imagine`: pictures of a prompt, drawn with the champion adapters of the subjects that it names. */
import { KronaError } from '../../core/errors.ts';
import { command } from '../define.ts';
import { beginWith, filesByOption } from '../photos/begin-with.ts';
import { settingOption } from '../settings/setting-options.ts';
import { completeAdapter, completeSubject } from '../subjects/subjects.ts';
import { MAX_PROMPT, SEED } from './asked-prompt.ts';
import { CHANGE, drawPrompt, PROMPT, STEER } from './draw-prompt.ts';
import { completeStyle } from './style.ts';

export const imagine = command(
  {
    name: 'imagine',
    direct: true,
    description: 'Draw pictures of a prompt; name a subject to include it',
    example: '/krona imagine a watercolour of mochi count:2',
    options: [
      { ...PROMPT, description: 'What to draw; (x:1.2), {a|b}, --no, --ar work' },
      { name: 'image', description: 'Picture to begin with', type: 'picture' },
      {
        name: 'subject',
        description: 'Subject to use when the prompt doesn’t name it',
        type: 'text',
        complete: completeSubject,
      },
      { name: 'style', description: 'Style of the channel', type: 'text', complete: completeStyle },
      CHANGE,
      STEER,
      settingOption('count'),
      { ...settingOption('samplingSteps'), name: 'steps', type: 'integer' },
      SEED,
      {
        name: 'strength',
        description: 'Strength of the adapter (default: 1)',
        type: 'number',
        min: 0,
        max: 2,
      },
      {
        name: 'negative',
        description: 'What to avoid; “none”: nothing',
        type: 'text',
        maxLength: MAX_PROMPT,
      },
      settingOption('split'),
      settingOption('size'),
      settingOption('guidance'),
      settingOption('rescale'),
      settingOption('scheduler'),
      settingOption('refine'),
      {
        name: 'adapter',
        description: 'An adapter to use instead of the champion',
        type: 'text',
        complete: completeAdapter,
      },
    ],
    needs: 'imagine',
  },

  async (invocation, context) => {
    const { attachments, options } = invocation;
    const image = filesByOption(attachments, ['image']).get('image');
    if (image === undefined && options.change !== undefined)
      throw new KronaError(
        'OPTION_INVALID',
        '`change` is how much of a picture to begin with can change, and there is none. Attach one, or leave out `change`.',
      );
    return drawPrompt(invocation, context, async () => image && beginWith(invocation, image, context));
  },
);
