/** @file A run's samples so far, and its settings: for the buttons of its message. */
import { cellName } from '../../core/sweep-plan.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { Card, CardPicture } from '../card.ts';
import { fieldsOf, plain } from './format.ts';
import { heldText, onCard } from './pictures.ts';
import type { RunCardSource } from './run-card.ts';
import { adapterSize, trainChoices } from '../../core/settings/adapter-size.ts';

/** The size of a gallery on every platform. */
const MOST_PICTURES = 10;

/** Returns the newest samples of a run, oldest first. */
export function samplesCard({ run, subject, adapters, sets }: RunCardSource): Card {
  const samples = sets.filter(({ set }) => set.kind === 'samples');
  const name = plain(subject.name);
  const pictures = samples.flatMap(({ set, pictures: drawn }): CardPicture[] => {
    const step = adapters.find(({ id }) => id === set.adapterId)?.step;
    const when = step === undefined ? 'an earlier checkpoint' : `step ${step}`;
    return drawn.map((picture) => ({
      ...onCard(picture),
      alt: `${name}, ${when}: ${plain(set.prompt)}`,
      caption: `${when} · ${plain(set.prompt, 60)}`,
    }));
  });
  const waits = !hasEnded(run);
  const none = waits ? 'No samples yet. Each checkpoint adds some.' : 'No samples are left.';
  return {
    tone: 'info',
    title: `Samples of ${name}`,
    text: [...(pictures.length === 0 ? [none] : []), ...heldText(samples.flatMap(({ held }) => held))],
    ...(pictures.length > 0 && { pictures: pictures.slice(-MOST_PICTURES) }),
    audience: 'caller',
  };
}

/** Returns everything that is needed to repeat a training. */
export function runSettingsCard({ run, subject, adapters, memberName }: RunCardSource): Card {
  const { settings, sweep } = run;
  const rows: (readonly [string, string | null])[] = [
    ['subject', `${plain(subject.name)} (${plain(subject.className)})`],
    ['requested by', plain(memberName)],
    ['photos', String(run.photoHashes.length)],
    ['captions', String(run.photoPrompts.filter((prompt) => prompt !== null).length || '') || null],
    ...(sweep === null
      ? ([
          ['method', `${settings.method} ${adapterSize(settings)}`.trim()],
          ['learning rate', String(settings.lr)],
        ] as const)
      : ([['cells', sweep.cells.map(cellName).join('; ')]] as const)),
    ['steps', String(settings.steps)],
    ['other settings', trainChoices(settings).join(', ') || null],
    ['seed', String(run.seed)],
    [
      'checkpoints',
      adapters
        .map(({ step }) => step)
        .sort((a, b) => a - b)
        .join(', ') || null,
    ],
  ];
  return {
    tone: 'info',
    title: sweep === null ? 'Settings of this training' : 'Settings of this sweep',
    text: ['`/krona settings train` changes the defaults of the next training.'],
    fields: fieldsOf(rows),
    audience: 'caller',
  };
}
