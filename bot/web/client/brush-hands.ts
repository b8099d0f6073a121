/** @file What moves the brush: the keyboard, and a mouse, finger or pen. */
import type { RefObject } from 'preact';
import { useRef } from 'preact/hooks';
import type { Spot } from './brush-strokes.ts';

/** Where an arrow key leads; null for any other key. */
export function movedBy(
  key: string,
  { x, y }: Spot,
  by: number,
  { width, height }: { readonly width: number; readonly height: number },
): Spot | null {
  const [dx, dy] =
    { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[key] ?? [];
  if (dx === undefined || dy === undefined) return null;
  return { x: Math.min(width, Math.max(0, x + dx)), y: Math.min(height, Math.max(0, y + dy)) };
}

interface Painting {
  readonly begin: (at: Spot) => void;
  readonly goOn: (spots: readonly Spot[]) => void;
  readonly hover: (at: Spot) => void;
}

/** Handlers of a mouse, finger or pen, of which one paints at a time. */
export function usePointer(canvas: RefObject<HTMLCanvasElement | null>, { begin, goOn, hover }: Painting) {
  const active = useRef<number | null>(null);
  const spotOf = ({ clientX, clientY }: PointerEvent): Spot => {
    const { current } = canvas;
    if (current === null) return { x: 0, y: 0 };
    const { left, top, width, height } = current.getBoundingClientRect();
    return { x: ((clientX - left) / width) * current.width, y: ((clientY - top) / height) * current.height };
  };
  const end = ({ pointerId }: PointerEvent) => {
    if (active.current === pointerId) active.current = null;
  };
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0 || active.current !== null) return;
      active.current = event.pointerId;
      canvas.current?.setPointerCapture(event.pointerId);
      hover(spotOf(event));
      begin(spotOf(event));
    },
    onPointerMove: (event: PointerEvent) => {
      hover(spotOf(event));
      if (active.current !== event.pointerId) return;
      const between = event.getCoalescedEvents();
      goOn((between.length > 0 ? between : [event]).map(spotOf));
    },
    onPointerUp: end,
    onPointerCancel: end,
  };
}
