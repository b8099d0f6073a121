/** @file The channel's lines in order, kept at their end while one is there. */
import { Fragment, type JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { LineView, WhisperView } from '../protocol.ts';
import { dayName } from './format.ts';
import { DownIcon } from './icons.tsx';
import { Line, SendingLine, Whisper } from './line-view.tsx';
import { store, useStore } from './store.ts';
import { Welcome } from './welcome.tsx';

/** Lines of one author closer than this are one block. */
const JOIN = 5 * 60_000;

type Entry = { at: number; line: LineView } | { at: number; whisper: WhisperView };

export function Conversation(): JSX.Element {
  const { lines, whispers, sending, me, more, channelId, phase, online } = useStore();
  const frame = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const end = useRef(true);
  const top = useRef(0);
  const toEnd = () => {
    // An empty channel is read from its top.
    if (list.current?.childElementCount) frame.current?.scrollTo({ top: frame.current.scrollHeight });
  };

  // What is at the end stays in view when something arrives, grows, or the window changes.
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => {
      if (end.current) toEnd();
    });
    observer.observe(frame.current!);
    if (list.current) observer.observe(list.current);
    return () => observer.disconnect();
  }, [lines === null]);
  useEffect(() => {
    end.current = true;
    toEnd();
  }, [channelId, sending.length > 0]);

  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = frame.current!;
    // Only who scrolls up leaves the end: what arrives in between makes a distance, too.
    const up = scrollTop < top.current;
    top.current = scrollTop;
    if (scrollHeight - scrollTop - clientHeight < 80) end.current = true;
    else if (up) end.current = false;
    setAtEnd(end.current);
  };

  const shown = (lines ?? []).filter((line) => line.body.kind !== 'said' || line.body.state !== 'hidden');
  const entries: Entry[] = [
    ...shown.map((line) => ({ at: line.at, line })),
    ...whispers.map((whisper) => ({ at: whisper.at, whisper })),
  ].sort((a, b) => a.at - b.at);
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
        {entries.map((entry, index) => {
          const before = entries[index - 1];
          const newDay = before === undefined || dayName(before.at) !== dayName(entry.at);
          return (
            <Fragment key={'line' in entry ? entry.line.id : entry.whisper.id}>
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
        })}
        {me !== null && sending.map((each) => <SendingLine key={each.draft.id} sending={each} me={me} />)}
      </ol>
      {!atEnd && (
        <button type="button" class="to-end round" aria-label="To the newest message" onClick={toEnd}>
          <DownIcon />
        </button>
      )}
    </div>
  );
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
