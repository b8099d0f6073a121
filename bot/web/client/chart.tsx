/** @file A curve drawn as SVG at the width that it has: axes, raw values faint, their running mean strong, values on hover. */
import type { JSX } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

interface Point {
  readonly x: number;
  readonly y: number;
}

const HEIGHT = 148;
const MARGIN = { top: 10, right: 12, bottom: 24, left: 46 };

/** Round numbers from at most `low` to at least `high`, about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? power * 10;
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/** Exponential running mean with bias correction, so that it starts at the first value. */
export function smooth(points: readonly Point[], keep = 0.7): Point[] {
  let sum = 0;
  let weight = 0;
  return points.map(({ x, y }) => {
    sum = keep * sum + (1 - keep) * y;
    weight = keep * weight + (1 - keep);
    return { x, y: sum / weight };
  });
}

const short = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(0) : String(Number(value.toPrecision(3)));

export function Chart({ label, points }: { label: string; points: readonly Point[] }): JSX.Element {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(480);
  const [hover, setHover] = useState<number | null>(null);

  useLayoutEffect(() => {
    const element = frame.current!;
    const observer = new ResizeObserver(() => {
      setWidth(Math.max(200, element.clientWidth));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const drawing = useMemo(() => {
    const mean = smooth(points);
    const ys = points.map((point) => point.y);
    const yTicks = ticks(Math.min(0, ...ys), Math.max(...ys, 1e-6), 3);
    const low = yTicks[0]!;
    const high = yTicks.at(-1)!;
    const first = points[0]!.x;
    const last = points.at(-1)!.x;
    const x = (value: number) =>
      MARGIN.left + ((value - first) / (last - first || 1)) * (width - MARGIN.left - MARGIN.right);
    const y = (value: number) =>
      HEIGHT - MARGIN.bottom - ((value - low) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    const path = (line: readonly Point[]) =>
      line
        .map((point, n) => `${n === 0 ? 'M' : 'L'}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`)
        .join('');
    const xTicks = ticks(first, last, width < 420 ? 3 : 5).filter((value) => value >= first && value <= last);
    const area = `${path(mean)}L${x(last).toFixed(1)} ${y(low)}L${x(first).toFixed(1)} ${y(low)}Z`;
    return { mean, yTicks, xTicks, x, y, raw: path(points), line: path(mean), area };
  }, [points, width]);

  const nearest = (clientX: number) => {
    const left = frame.current!.getBoundingClientRect().left;
    let best = 0;
    points.forEach((point, index) => {
      if (
        Math.abs(drawing.x(point.x) - (clientX - left)) <
        Math.abs(drawing.x(points[best]!.x) - (clientX - left))
      )
        best = index;
    });
    setHover(best);
  };
  const onKey = (event: KeyboardEvent) => {
    const move = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
    if (move === 0) return;
    event.preventDefault();
    setHover(Math.min(points.length - 1, Math.max(0, (hover ?? points.length - 1) + move)));
  };

  const at = hover === null ? null : (points[Math.min(hover, points.length - 1)] ?? null);
  const summary = `${label}: ${short(points[0]!.y)} at ${points[0]!.x}, ${short(points.at(-1)!.y)} at ${points.at(-1)!.x}`;
  return (
    <figure class="chart">
      <figcaption>{label}</figcaption>
      <div
        ref={frame}
        class="chart-frame"
        tabIndex={0}
        role="img"
        aria-label={summary}
        onPointerMove={(event) => nearest(event.clientX)}
        onPointerLeave={() => setHover(null)}
        onBlur={() => setHover(null)}
        onKeyDown={onKey}
      >
        <svg width={width} height={HEIGHT} aria-hidden="true">
          {drawing.yTicks.map((value) => (
            <g key={value}>
              <line
                class="grid"
                x1={MARGIN.left}
                x2={width - MARGIN.right}
                y1={drawing.y(value)}
                y2={drawing.y(value)}
              />
              <text x={MARGIN.left - 8} y={drawing.y(value) + 4} text-anchor="end">
                {short(value)}
              </text>
            </g>
          ))}
          {drawing.xTicks.map((value) => (
            <text key={value} x={drawing.x(value)} y={HEIGHT - 6} text-anchor="middle">
              {value}
            </text>
          ))}
          <path class="area" d={drawing.area} />
          <path class="raw" d={drawing.raw} />
          <path class="mean" d={drawing.line} />
          {at !== null && (
            <g>
              <line
                class="guide"
                x1={drawing.x(at.x)}
                x2={drawing.x(at.x)}
                y1={MARGIN.top}
                y2={HEIGHT - MARGIN.bottom}
              />
              <circle class="dot" cx={drawing.x(at.x)} cy={drawing.y(at.y)} r="3.5" />
            </g>
          )}
        </svg>
        {at !== null && (
          <output
            class="chart-value"
            style={{ left: `${Math.min(width - 60, Math.max(60, drawing.x(at.x)))}px` }}
          >
            {at.x} · <b>{short(at.y)}</b>
          </output>
        )}
      </div>
    </figure>
  );
}
