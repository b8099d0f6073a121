/** @file The channel's lines in order, kept at their end while the reader is there. */
import { Fragment, type JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { LineView, WhisperView } from '../protocol.ts';
import { dayName } from './format.ts';
import { DownIcon } from './icons.tsx';
import { Line, SendingLine, Whisper } from './line-view.tsx';
import { store, useStore } from './store.ts';
import { Welcome } from './welcome.tsx';

/** Lines of one author closer than this are one block, ms. */
const JOIN = 5 * 60_000;
/** Within this distance of the end, the reader is at the end, pixels. */
const NEAR = 80;

type Entry = { at: number; line: LineView } | { at: number; whisper: WhisperView };

export function Conversation(): JSX.Element {
  const { lines, whispers, sending, me, more, phase, online } = useStore();
  const { frame, list, atEnd, onScroll, toEnd } = useEnd();
  const entries = entriesOf(lines ?? [], whispers);
  const empty = lines !== null && entries.length === 0 && sending.length === 0;
  return (
    <div class="conversation" ref={frame} onScroll={onScroll}>
      {phase === 'ready' && lines === null && <Skeleton />}
      {empty && <Welcome />}
      {more && (
        <button type="button" class="button earlier" onClick={() => store.earlier()}>
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
        {entries.map((entry, index) => (
          <EntryView key={idOf(entry)} entry={entry} before={entries[index - 1]} />
        ))}
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

const idOf = (entry: Entry): string => ('line' in entry ? entry.line.id : entry.whisper.id);

/** Lines and whispers by time, without commands that were answered to their author alone. */
function entriesOf(lines: readonly LineView[], whispers: readonly WhisperView[]): Entry[] {
  const shown = lines.filter(({ body }) => body.kind !== 'said' || body.state !== 'hidden');
  const entries: Entry[] = shown.map((line) => ({ at: line.at, line }));
  // Lines keep the server's order: its clock can be set back. A whisper stands behind the last line before it.
  for (const whisper of whispers) {
    const after = entries.findLastIndex(({ at }) => at <= whisper.at);
    entries.splice(after + 1, 0, { at: whisper.at, whisper });
  }
  return entries;
}

function EntryView({ entry, before }: { entry: Entry; before: Entry | undefined }): JSX.Element {
  const newDay = before === undefined || dayName(before.at) !== dayName(entry.at);
  return (
    <Fragment>
      {newDay && (
        <li class="day" role="separator">
          <span>{dayName(entry.at)}</span>
        </li>
      )}
      {'line' in entry ? (
        <Line line={entry.line} joined={!newDay && joins(before, entry.line)} />
      ) : (
        <Whisper whisper={entry.whisper} />
      )}
    </Fragment>
  );
}

function joins(before: Entry | undefined, line: LineView): boolean {
  if (before === undefined || !('line' in before)) return false;
  return before.line.member?.id === line.member?.id && line.at - before.at < JOIN;
}

/** Keeps the end in view while the reader is there, when something arrives, grows, or the window changes. */
function useEnd() {
  const { lines, sending, channelId } = useStore();
  const frame = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const end = useRef(true);
  const top = useRef(0);
  const toEnd = () => {
    // An empty channel is read from its top.
    if (list.current?.childElementCount) frame.current?.scrollTo({ top: frame.current.scrollHeight });
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => {
      if (end.current) toEnd();
    });
    for (const { current } of [frame, list]) if (current !== null) observer.observe(current);
    return () => observer.disconnect();
  }, [lines === null]);
  useEffect(() => {
    end.current = true;
    toEnd();
  }, [channelId, sending.length > 0]);
  const onScroll = () => {
    if (frame.current === null) return;
    const { scrollTop, scrollHeight, clientHeight } = frame.current;
    // Only a reader who scrolls up leaves the end: what arrives in between makes a distance, too.
    const up = scrollTop < top.current;
    top.current = scrollTop;
    if (scrollHeight - scrollTop - clientHeight < NEAR) end.current = true;
    else if (up) end.current = false;
    setAtEnd(end.current);
  };
  return { frame, list, atEnd, onScroll, toEnd };
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
