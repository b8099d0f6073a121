/** @file `/krona edit`: draws a part of a picture anew, or what is around it. */
import { KronaError } from '../../core/errors.ts';
import { AREAS } from '../../core/pictures/area.ts';
import { command } from '../define.ts';
import { beginWithPart, filesByOption } from '../photos/begin-with.ts';
import { settingOption } from '../settings/setting-options.ts';
import { CHANGE, drawPrompt, PROMPT } from './draw-prompt.ts';

/** How much of the part can change unless it is said: all of it. */
const USUAL_CHANGE = 1;

/** A form takes it as text, not from a list. */
const { complete: _, ...prompt } = PROMPT;

export const edit = command(
  {
    name: 'edit',
    direct: true,
    description: 'Draw a part of a picture again, or more around it',
    example: '/krona edit a snowy mountain where:background',
    options: [
      { name: 'picture', description: 'The picture', type: 'picture', required: true },
      { ...prompt, description: 'What the picture shows afterwards' },
      {
        name: 'where',
        description: 'The part; else by a mask or transparency',
        type: 'text',
        choices: AREAS,
      },
      { name: 'mask', description: 'Mask, white where to draw', type: 'picture' },
      { ...CHANGE, description: 'How much of the part can change (default: 1)' },
      settingOption('count'),
    ],
    needs: 'imagine',
  },

  async (invocation, context) => {
    const { attachments, options } = invocation;
    const files = filesByOption(attachments, ['picture', 'mask']);
    const [picture, mask] = [files.get('picture'), files.get('mask')];
    const { where = null, ...rest } = options;
    if (picture === undefined)
      throw new KronaError('NO_PHOTOS', 'The command has no picture. Attach the one to change.');
    if (mask !== undefined && where !== null)
      throw new KronaError(
        'OPTION_TWICE',
        '`where` and `mask` both say which part to draw again. Give one of them.',
      );
    const begin = () => beginWithPart(invocation, { picture, mask }, where, context);
    return drawPrompt({ ...invocation, options: rest }, context, begin, USUAL_CHANGE);
  },
);
