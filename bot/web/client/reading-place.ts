/**
 * @file Keeps what is being read in view: the end while the reader is there, else the line at the top, whatever arrives or
 * grows above it.
 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useSelected } from './store.ts';

/** Within this distance of the end, the reader is at the end, pixels. */
const NEAR = 80;

/** A line, and how far its end is below the top of the frame, pixels. Its start moves when it is joined to an earlier line. */
interface Place {
  readonly line: Element;
  readonly below: number;
}

const endOf = (line: Element): number => line.getBoundingClientRect().bottom;
const topOf = (frame: Element): number => frame.getBoundingClientRect().top;

/** The first line that reaches into the frame. Lines are one below the other, so half of the rest is left out at a time. */
function placeIn(frame: Element, list: Element): Place | null {
  const lines = [...list.children];
  let [low, high] = [0, lines.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    const line = lines[middle];
    if (line !== undefined && endOf(line) > topOf(frame)) high = middle;
    else low = middle + 1;
  }
  const line = lines[low];
  return line === undefined ? null : { line, below: endOf(line) - topOf(frame) };
}

export function useReadingPlace() {
  const none = useSelected(({ lines }) => lines === null);
  const channelId = useSelected((state) => state.channelId);
  const sends = useSelected(({ sending }) => sending.length > 0);
  const frame = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const end = useRef(true);
  const top = useRef(0);
  const place = useRef<Place | null>(null);
  const toEnd = () => {
    // An empty channel is read from its top.
    if (list.current?.childElementCount) frame.current?.scrollTo({ top: frame.current.scrollHeight });
  };
  useLayoutEffect(() => {
    const keep = () => {
      if (end.current) return toEnd();
      const kept = place.current;
      if (frame.current === null || kept === null || !kept.line.isConnected) return;
      frame.current.scrollTop += endOf(kept.line) - topOf(frame.current) - kept.below;
      top.current = frame.current.scrollTop;
    };
    const observer = new ResizeObserver(keep);
    for (const { current } of [frame, list]) if (current !== null) observer.observe(current);
    return () => observer.disconnect();
  }, [none]);
  useEffect(() => {
    end.current = true;
    toEnd();
  }, [channelId, sends]);
  const onScroll = () => {
    if (frame.current === null || list.current === null) return;
    const { scrollTop, scrollHeight, clientHeight } = frame.current;
    // Only a reader who scrolls up leaves the end: what arrives in between makes a distance, too.
    const up = scrollTop < top.current;
    top.current = scrollTop;
    if (scrollHeight - scrollTop - clientHeight < NEAR) end.current = true;
    else if (up) end.current = false;
    place.current = end.current ? null : placeIn(frame.current, list.current);
    setAtEnd(end.current);
  };
  return { frame, list, atEnd, onScroll, toEnd };
}
