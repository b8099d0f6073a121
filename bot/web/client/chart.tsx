/** @file A curve drawn as SVG at the width that it has: axes, raw values faint, their running mean strong, values on hover. */
import type { JSX } from 'preact';
import type { CardChart } from '../../../commands/card.ts';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { drawing, type Drawing, HEIGHT, MARGIN, nearestPoint, type Point, short } from './chart-scale.ts';

/** The narrowest drawing, pixels. */
const NARROWEST = 200;

export function Chart({ label, points, beside }: CardChart): JSX.Element {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [hover, setHover] = useState<number | null>(null);
  const curve = useMemo(() => drawing(points, width, beside?.points), [points, width, beside]);
  const last = points.length - 1;
  const onKey = (event: KeyboardEvent) => {
    const move = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
    if (move === 0) return;
    event.preventDefault();
    setHover(Math.min(last, Math.max(0, (hover ?? last) + move)));
  };
  const at = hover === null ? undefined : points[Math.min(hover, last)];
  return (
    <figure class="chart">
      <figcaption>{beside ? `${label} (dashed: ${beside.label})` : label}</figcaption>
      <div
        ref={frame}
        class="chart-frame"
        tabIndex={0}
        role="img"
        aria-label={[{ label, points }, ...(beside ? [beside] : [])].map(summary).join('; ')}
        onPointerMove={({ clientX, currentTarget }) =>
          setHover(nearestPoint(points, curve, clientX - currentTarget.getBoundingClientRect().left))
        }
        onPointerLeave={() => setHover(null)}
        onBlur={() => setHover(null)}
        onKeyDown={onKey}
      >
        <svg width={width} height={HEIGHT} aria-hidden="true">
          <Axes curve={curve} width={width} />
          <path class="area" d={curve.area} />
          <path class="raw" d={curve.raw} />
          <path class="mean" d={curve.mean} />
          {beside && <path class="beside" d={curve.beside} />}
          {at && <Marker curve={curve} at={at} />}
        </svg>
        {at && (
          <output
            class="chart-value"
            style={{ left: `${Math.min(width - 60, Math.max(60, curve.x(at.x)))}px` }}
          >
            {at.x} · <b>{short(at.y)}</b>
          </output>
        )}
      </div>
    </figure>
  );
}

/** The first and last value, for people who can't see the curve. */
function summary({ label, points }: Pick<CardChart, 'label' | 'points'>): string {
  const ends = [...points.slice(0, 1), ...points.slice(-1)];
  return `${label}: ${ends.map(({ x, y }) => `${short(y)} at ${x}`).join(', ')}`;
}

function Axes({ curve, width }: { curve: Drawing; width: number }): JSX.Element {
  return (
    <>
      {curve.yTicks.map((value) => (
        <g key={value}>
          <line
            class="grid"
            x1={MARGIN.left}
            x2={width - MARGIN.right}
            y1={curve.y(value)}
            y2={curve.y(value)}
          />
          <text x={MARGIN.left - 8} y={curve.y(value) + 4} text-anchor="end">
            {short(value)}
          </text>
        </g>
      ))}
      {curve.xTicks.map((value) => (
        <text key={value} x={curve.x(value)} y={HEIGHT - 6} text-anchor="middle">
          {value}
        </text>
      ))}
    </>
  );
}

function Marker({ curve, at }: { curve: Drawing; at: Point }): JSX.Element {
  const x = curve.x(at.x);
  return (
    <g>
      <line class="guide" x1={x} x2={x} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />
      <circle class="dot" cx={x} cy={curve.y(at.y)} r="3.5" />
    </g>
  );
}

/** The width of an element, followed. */
function useWidth(frame: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(480);
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(NARROWEST, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}
