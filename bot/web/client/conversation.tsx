/** @file The channel's lines in order. */
import type { JSX } from 'preact';
import { memo } from 'preact/compat';
import type { LineView, WhisperView } from '../protocol.ts';
import { dayName } from './format.ts';
import { DownIcon } from './icons.tsx';
import { Line, SendingLine, Whisper } from './line-view.tsx';
import { useReadingPlace } from './reading-place.ts';
import { store, useSelected } from './store.ts';
import { Welcome } from './welcome.tsx';

/** Lines of one author closer than this are one block, ms. */
const JOIN = 5 * 60_000;

type Entry = { at: number; line: LineView } | { at: number; whisper: WhisperView };

export function Conversation(): JSX.Element {
  const lines = useSelected((state) => state.lines);
  const whispers = useSelected((state) => state.whispers);
  const sending = useSelected((state) => state.sending);
  const me = useSelected((state) => state.me);
  const earlier = useSelected((state) => state.earlier);
  const fetching = useSelected((state) => state.fetching);
  const waiting = useSelected(({ phase, lines }) => phase === 'ready' && lines === null);
  const online = useSelected((state) => state.online);
  const { frame, list, atEnd, onScroll, toEnd } = useReadingPlace();
  const entries = entriesOf(lines ?? [], whispers);
  const empty = lines !== null && entries.length === 0 && sending.length === 0;
  return (
    // The keyboard scrolls what has the focus.
    <div
      class="conversation"
      ref={frame}
      onScroll={onScroll}
      tabIndex={0}
      role="region"
      aria-label="Conversation"
    >
      {waiting && <Skeleton />}
      {empty && earlier === null && <Welcome />}
      {earlier !== null && (
        <button
          type="button"
          class="button earlier"
          aria-busy={fetching}
          onClick={() => void store.showEarlier()}
        >
          Show earlier messages
        </button>
      )}
      <ol
        ref={list}
        class="lines"
        aria-live="polite"
        aria-label="Messages"
        aria-busy={lines === null || !online}
      >
        {entries.map((entry, index) => entryView(entry, entries[index - 1]))}
        {me !== null && sending.map((each) => <SendingLine key={each.draft.id} sending={each} me={me} />)}
      </ol>
      {!atEnd && (
        <button type="button" class="to-end round" aria-label="Go to the newest message" onClick={toEnd}>
          <DownIcon />
        </button>
      )}
    </div>
  );
}

function entryView(entry: Entry, before: Entry | undefined): JSX.Element {
  const newDay = before === undefined || dayName(before.at) !== dayName(entry.at);
  const day = newDay ? dayName(entry.at) : null;
  if ('whisper' in entry) return <Whisper key={entry.whisper.id} whisper={entry.whisper} day={day} />;
  const { line } = entry;
  return <MemoLine key={line.id} line={line} joined={!newDay && joins(before, line)} day={day} />;
}

/** Of thousands of lines, only those that changed are drawn again. */
const MemoLine = memo(Line);

/**
 * Lines, without commands that were answered to their author alone, with each whisper after the line that it answers and
 * those of its time. Lines keep their order, as the bot's clock can be set back.
 */
function entriesOf(lines: readonly LineView[], whispers: readonly WhisperView[]): Entry[] {
  const shown = lines.filter(({ body }) => body.kind !== 'said' || body.state !== 'hidden');
  const entries: Entry[] = shown.map((line) => ({ at: line.at, line }));
  for (const whisper of whispers) {
    const answered = lines.find(({ id }) => id === whisper.answers)?.place ?? -1;
    const after = entries.findLastIndex(
      (entry) => entry.at <= whisper.at || ('line' in entry && entry.line.place <= answered),
    );
    entries.splice(after + 1, 0, { at: whisper.at, whisper });
  }
  return entries;
}

function joins(before: Entry | undefined, line: LineView): boolean {
  if (before === undefined || !('line' in before)) return false;
  return before.line.member?.id === line.member?.id && line.at - before.at < JOIN;
}

function Skeleton(): JSX.Element {
  return (
    <div class="skeletons" aria-hidden="true">
      {[62, 84, 48].map((width) => (
        <div key={width}>
          <i />
          <p>
            <span />
            <span style={{ width: `${width}%` }} />
          </p>
        </div>
      ))}
    </div>
  );
}
