/** @file The part of a picture to draw again, painted over it: with a mouse, a finger, a pen or the keyboard. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { movedBy, usePointer } from './brush-hands.ts';
import { maskOf, paint, type Spot, type Stroke } from './brush-strokes.ts';
import { SIZES, Tools } from './brush-tools.tsx';
import { store, useSelected } from './store.ts';
import './brush.css';

/** How the painted part is shown: rare in pictures. */
const COLOUR = '#1f6bff';

/** Shows the brush while a picture is chosen for it. */
export function Brush(): JSX.Element | null {
  const picture = useSelected((state) => state.brushing);
  return picture === null ? null : <BrushDialog key={picture.link} {...picture} />;
}

function BrushDialog({ link, alt }: { readonly link: string; readonly alt: string }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [area, setArea] = useState<{ readonly width: number; readonly height: number } | null>(null);
  const [strokes, setStrokes] = useState<readonly Stroke[]>([]);
  const [percent, setPercent] = useState(SIZES.first);
  const [erases, setErases] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const resize = (by: number) => setPercent((now) => Math.min(SIZES.most, Math.max(SIZES.least, now + by)));
  const undo = () => setStrokes((now) => now.slice(0, -1));
  const use = async () => {
    const mask = area && (await maskOf(area.width, area.height, strokes));
    if (mask) await store.editPart(link, mask);
  };
  return (
    <dialog
      ref={dialog}
      class="brush"
      aria-label="Paint the part to draw again"
      onClose={() => store.set({ brushing: null })}
      onKeyDown={(event) => {
        if (event.key === 'z' && (event.ctrlKey || event.metaKey)) undo();
        else if (event.key === '+') resize(SIZES.step);
        else if (event.key === '-') resize(-SIZES.step);
        else return;
        event.preventDefault();
      }}
    >
      <div class="brush-stage">
        <div
          class="brush-sheet"
          style={area ? { width: `min(100%, calc((100dvh - 250px) * ${area.width / area.height}))` } : {}}
        >
          <img
            src={link}
            alt={alt}
            draggable={false}
            onLoad={({ currentTarget: { naturalWidth: width, naturalHeight: height } }) =>
              setArea({ width, height })
            }
          />
          {area && (
            <Sheet {...area} percent={percent} erases={erases} strokes={strokes} onStrokes={setStrokes} />
          )}
        </div>
      </div>
      <Tools
        percent={percent}
        onPercent={setPercent}
        erases={erases}
        onErases={setErases}
        painted={strokes.length > 0}
        onUndo={undo}
        onClear={() => setStrokes([])}
        onUse={() => void use()}
        onCancel={() => dialog.current?.close()}
      />
    </dialog>
  );
}

interface SheetProps {
  readonly width: number;
  readonly height: number;
  readonly percent: number;
  readonly erases: boolean;
  readonly strokes: readonly Stroke[];
  readonly onStrokes: (change: (now: readonly Stroke[]) => readonly Stroke[]) => void;
}

/** The canvas over the picture, of its pixels. */
function Sheet({ width, height, percent, erases, strokes, onStrokes }: SheetProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [spot, setSpot] = useState<Spot>({ x: width / 2, y: height / 2 });
  const size = (percent / 100) * Math.min(width, height);
  useEffect(() => {
    if (canvas.current) paint(canvas.current, strokes, COLOUR);
  }, [strokes, width, height]);
  const begin = (at: Spot) => onStrokes((now) => [...now, { size, erases, spots: [at] }]);
  const goOn = (spots: readonly Spot[]) =>
    onStrokes((now) => {
      const last = now.at(-1);
      return last === undefined ? now : [...now.slice(0, -1), { ...last, spots: [...last.spots, ...spots] }];
    });
  const pointer = usePointer(canvas, { begin, goOn, hover: setSpot });
  const onKeyDown = (event: KeyboardEvent) => {
    const to = movedBy(event.key, spot, size / 2, { width, height });
    if (to !== null) {
      setSpot(to);
      if (event.shiftKey) onStrokes((now) => [...now, { size, erases, spots: [spot, to] }]);
    } else if (event.key === ' ' || event.key === 'Enter') begin(spot);
    else return;
    event.preventDefault();
  };
  const share = (part: number, of: number): string => `${(100 * part) / of}%`;
  return (
    <>
      <canvas
        ref={canvas}
        width={width}
        height={height}
        tabIndex={0}
        role="application"
        aria-label="Brush. Arrow keys move it, space paints, shift with an arrow key paints a line, plus and minus change its size."
        onKeyDown={onKeyDown}
        {...pointer}
      />
      <span
        class="brush-tip"
        aria-hidden="true"
        style={{
          left: share(spot.x, width),
          top: share(spot.y, height),
          width: share(size, width),
          height: share(size, height),
        }}
      />
    </>
  );
}
