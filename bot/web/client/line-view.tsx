/** @file One line of the conversation: a member's message, Krona's card, or an answer that only you see. */
import type { ComponentChildren, JSX } from 'preact';
import type { LineView, MemberView, SaidBody, WhisperView } from '../protocol.ts';
import { Avatar } from './avatar.tsx';
import { CardView } from './card-view.tsx';
import { Preview } from './draft-photos.tsx';
import { fullTime, timeOfDay } from './format.ts';
import { EyeIcon } from './icons.tsx';
import type { Sending } from './state.ts';
import { store, useSelected } from './store.ts';
import { CommandText, Marked } from './text.tsx';

interface RowProps {
  readonly id: string;
  readonly member: MemberView | null;
  readonly at: number;
  /** Follows a line of the same author closely: avatar and name are not repeated. */
  readonly joined: boolean;
  /** The day that begins with this line; null: it has begun before. */
  readonly day?: string | null;
  readonly kind: string;
  readonly children: ComponentChildren;
}

function Row({ id, member, at, joined, day = null, kind, children }: RowProps): JSX.Element {
  return (
    <li class={`line ${joined ? 'joined' : ''} of-${kind}`} data-line={id}>
      {day !== null && (
        <p class="day">
          <span>{day}</span>
        </p>
      )}
      <div class="gutter">
        {joined ? (
          <time dateTime={new Date(at).toISOString()} title={fullTime(at)}>
            {timeOfDay(at)}
          </time>
        ) : (
          <Avatar member={member} />
        )}
      </div>
      <div class="content">
        {!joined && (
          <header>
            <b>{member?.name ?? 'Krona'}</b>
            <time dateTime={new Date(at).toISOString()} title={fullTime(at)}>
              {timeOfDay(at)}
            </time>
          </header>
        )}
        {children}
      </div>
    </li>
  );
}

interface LineProps {
  readonly line: LineView;
  readonly joined: boolean;
  readonly day: string | null;
}

export function Line({ line, joined, day }: LineProps): JSX.Element | null {
  const { body } = line;
  if (body.kind === 'gone') return null;
  return (
    <Row id={line.id} member={line.member} at={line.at} joined={joined} day={day} kind={body.kind}>
      {body.kind === 'card' ? (
        <CardView lineId={line.id} card={body.card} links={line.links} />
      ) : (
        <Said line={line} body={body} />
      )}
    </Row>
  );
}

function Said({ line, body }: { line: LineView; body: SaidBody }): JSX.Element {
  const waiting = useSelected(({ awaited }) => awaited.has(line.id));
  return (
    <>
      <p class="said">
        <CommandText text={body.text} />
      </p>
      {body.photos.length > 0 && (
        <div class="said-photos">
          {body.photos.map(({ name, thumb }, index) => (
            <Preview key={index} name={name} link={thumb === null ? undefined : line.links[thumb]} />
          ))}
        </div>
      )}
      {line.interrupted ? (
        <p class="aside">
          Krona stopped before it answered this.{' '}
          <button type="button" class="link" onClick={() => store.write(body.text)}>
            Try again
          </button>
        </p>
      ) : (
        body.state === 'open' && waiting && <Working />
      )}
    </>
  );
}

function Working(): JSX.Element {
  return (
    <p class="aside working" role="status">
      <span class="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      Working on it
    </p>
  );
}

export function SendingLine({ sending, me }: { sending: Sending; me: MemberView }): JSX.Element {
  const { draft, error, at } = sending;
  return (
    <Row id={draft.id} member={me} at={at} joined={false} kind="sending">
      <p class="said">
        <CommandText text={draft.text.trim()} />
      </p>
      {draft.photos.length > 0 && (
        <div class="said-photos">
          {draft.photos.map((photo) => (
            <Preview key={photo.preview} name={photo.file.name} link={photo.preview} />
          ))}
        </div>
      )}
      {error === null ? (
        <Working />
      ) : (
        <p class="aside failed" role="alert">
          <Marked text={error} />{' '}
          <button type="button" class="link" onClick={() => store.edit(draft)}>
            Edit
          </button>
        </p>
      )}
    </Row>
  );
}

export function Whisper({ whisper, day }: { whisper: WhisperView; day: string | null }): JSX.Element {
  return (
    <Row id={whisper.id} member={null} at={whisper.at} joined={false} day={day} kind="whisper">
      <CardView lineId={whisper.id} card={whisper.card} links={whisper.links} />
      <p class="aside">
        <EyeIcon size={15} /> Only you can see this ·{' '}
        <button type="button" class="link" onClick={() => store.dismiss(whisper.id)}>
          Dismiss
        </button>
      </p>
    </Row>
  );
}
