/** @file The message about a pull, from queued to a model that can be used. */
import type { Pull } from '../../core/records.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { Card, CardButton } from '../card.ts';
import { plain } from '../cards/format.ts';
import { WORK_TONES, workProgress } from '../cards/work-progress.ts';

export interface PullCardSource {
  readonly pull: Pull;
  readonly title: string;
  /** The member who requested it. */
  readonly memberName: string;
  /** 1 for the next to run; null unless it is queued. */
  readonly position: number | null;
}

function textOf({ pull: { state, failure, model }, title }: PullCardSource): string[] {
  switch (state) {
    case 'done':
      return [
        `Draw and train with it in this channel: \`/krona model use model:${model}\`. Adapters of other models don’t fit it.`,
      ];
    case 'failed':
      return [
        plain(failure?.message ?? 'The download failed.', 600),
        'What came stays, so another try resumes.',
      ];
    case 'cancelled':
      return [`What came of ${title} stays for a day, so another pull resumes.`];
    default:
      return ['Everybody can go on drawing meanwhile.'];
  }
}

function buttonsOf({ pull }: PullCardSource): CardButton[] {
  if (!hasEnded(pull)) return [{ action: `cancel:${pull.id}`, label: 'Cancel', style: 'danger' }];
  return pull.state === 'done'
    ? [{ action: `use:${pull.model}`, label: 'Use here', style: 'primary' }]
    : [{ action: `pull:${pull.model}`, label: 'Try again' }];
}

export function pullCard(source: PullCardSource): Card {
  const { pull, title, memberName, position } = source;
  const titles: Readonly<Record<Pull['state'], string>> = {
    queued: `Download of ${title} is queued`,
    running: `Downloading ${title}`,
    done: `${title} is ready`,
    failed: `The download of ${title} failed`,
    cancelled: `The download of ${title} was cancelled`,
  };
  const progress = workProgress(pull, position, { begins: 'asking the hub', countsSteps: true });
  return {
    tone: WORK_TONES[pull.state],
    title: titles[pull.state],
    text: textOf(source),
    fields: [{ name: 'requested by', value: plain(memberName) }],
    ...(progress && { progress }),
    buttons: buttonsOf(source),
    follows: { kind: 'pull', id: pull.id },
  };
}
