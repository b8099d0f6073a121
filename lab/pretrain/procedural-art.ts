/**
 * @file Drawings made by rule, as SVG texts by number: what the autoencoder must restore beyond emoji. Figures are on clear
 * ground; fields fill their square. Number `index` of `seed` is always the same text.
 */
import { KeyedRandom } from './keyed-random.ts';

export const FIGURES = ['mascot', 'face', 'shapes', 'strokes', 'letters'] as const;
export const FIELDS = ['gradient', 'texture', 'lines', 'text'] as const;
export type ArtKind = (typeof FIGURES)[number] | (typeof FIELDS)[number];

/** Outlines of mascots and faces that are never trained, so that a measure on them is of what nobody showed. */
const MEASURED_BODIES = ['cloud', 'shield', 'bean'] as const;
const TRAINED_BODIES = ['round', 'egg', 'box', 'drop', 'blob', 'star'] as const;
type Body = (typeof MEASURED_BODIES)[number] | (typeof TRAINED_BODIES)[number];

/** Side of a drawing's square in its own units. */
const SIDE = 256;

/** A drawing of a kind. @param measured take what is kept apart for measuring */
export function proceduralArt(kind: ArtKind, seed: number, index: number, measured = false): string {
  const random = new KeyedRandom(seed, index);
  const body = random.pick<Body>(measured ? MEASURED_BODIES : TRAINED_BODIES);
  const parts = kind === 'mascot' || kind === 'face' ? DRAWERS[kind](random, body) : DRAWERS[kind](random);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}" viewBox="0 0 ${SIDE} ${SIDE}">${parts}</svg>`;
}

/** What a mascot has, to be counted by who looks at it. */
export interface MascotFacts {
  readonly eyes: number;
}

type Drawer = (random: KeyedRandom) => string;

const DRAWERS: Readonly<
  Record<Exclude<ArtKind, 'mascot' | 'face'>, Drawer> &
    Record<'mascot' | 'face', (random: KeyedRandom, body: Body) => string>
> = {
  mascot: drawMascot,
  face: drawFace,
  shapes: drawShapes,
  strokes: drawStrokes,
  letters: drawLetters,
  gradient: drawGradient,
  texture: drawTexture,
  lines: drawLines,
  text: drawText,
};

const n = (value: number): string => value.toFixed(1);
const whole = (random: KeyedRandom, low: number, high: number): number =>
  low + Math.floor(random.unit() * (high - low + 1));
const many = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('');

/** Any hue; `light` in percent. */
function colour(random: KeyedRandom, light: readonly [number, number] = [25, 80]): string {
  return hsl(random.between(0, 360), random.between(15, 100), random.between(...light));
}

/** As #rrggbb, which every renderer takes. */
function hsl(hue: number, saturation: number, light: number): string {
  const a = (saturation / 100) * Math.min(light / 100, 1 - light / 100);
  const channel = (offset: number): string => {
    const k = (offset + hue / 30) % 12;
    const value = light / 100 - a * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

/** A plain colour, or a gradient between two, as [definition, fill]. */
function paint(random: KeyedRandom, id: string): [string, string] {
  if (random.chance(0.6)) return ['', colour(random)];
  const stops = `<stop offset="0" stop-color="${colour(random)}"/><stop offset="1" stop-color="${colour(random)}"/>`;
  const [x, y] = [random.unit(), random.unit()];
  return [
    random.chance(0.5)
      ? `<linearGradient id="${id}" x1="${n(x)}" y1="${n(y)}" x2="${n(1 - x)}" y2="${n(1 - y)}">${stops}</linearGradient>`
      : `<radialGradient id="${id}" cx="${n(x)}" cy="${n(y)}" r="0.9">${stops}</radialGradient>`,
    `url(#${id})`,
  ];
}

/** Points on a closed curve around the middle, joined smoothly. @param radius by share of the turn */
function closedCurve(
  points: number,
  middle: readonly [number, number],
  radius: (turn: number) => number,
): string {
  const at = (i: number): [number, number] => {
    const turn = (i % points) / points;
    const angle = 2 * Math.PI * turn - Math.PI / 2;
    return [middle[0] + radius(turn) * Math.cos(angle), middle[1] + radius(turn) * Math.sin(angle)];
  };
  const between = (i: number): string => {
    const [[x0, y0], [x1, y1]] = [at(i), at(i + 1)];
    return `${n((x0 + x1) / 2)} ${n((y0 + y1) / 2)}`;
  };
  const curves = many(
    points,
    (i) =>
      `Q${at(i + 1)
        .map(n)
        .join(' ')} ${between(i + 1)}`,
  );
  return `M${between(0)}${curves}Z`;
}

function bodyPath(
  body: Body,
  random: KeyedRandom,
  x: number,
  y: number,
  width: number,
  height: number,
): string {
  const [left, right, top, bottom] = [x - width / 2, x + width / 2, y - height / 2, y + height / 2];
  switch (body) {
    case 'round':
    case 'egg': {
      const lift = body === 'egg' ? height * 0.08 : 0;
      return `M${n(left)} ${n(y + lift)}C${n(left)} ${n(top - lift)} ${n(right)} ${n(top - lift)} ${n(right)} ${n(y + lift)}C${n(right)} ${n(bottom + height * 0.16)} ${n(left)} ${n(bottom + height * 0.16)} ${n(left)} ${n(y + lift)}Z`;
    }
    case 'box': {
      const r = random.between(0.05, 0.35) * Math.min(width, height);
      return `M${n(left + r)} ${n(top)}H${n(right - r)}Q${n(right)} ${n(top)} ${n(right)} ${n(top + r)}V${n(bottom - r)}Q${n(right)} ${n(bottom)} ${n(right - r)} ${n(bottom)}H${n(left + r)}Q${n(left)} ${n(bottom)} ${n(left)} ${n(bottom - r)}V${n(top + r)}Q${n(left)} ${n(top)} ${n(left + r)} ${n(top)}Z`;
    }
    case 'drop':
      return `M${n(x)} ${n(top)}C${n(x + width * 0.2)} ${n(y - height * 0.2)} ${n(right)} ${n(y)} ${n(right)} ${n(y + height * 0.15)}C${n(right)} ${n(bottom + height * 0.1)} ${n(left)} ${n(bottom + height * 0.1)} ${n(left)} ${n(y + height * 0.15)}C${n(left)} ${n(y)} ${n(x - width * 0.2)} ${n(y - height * 0.2)} ${n(x)} ${n(top)}Z`;
    case 'blob': {
      const radii = Array.from({ length: 9 }, () => random.between(0.8, 1.1));
      return closedCurve(
        9,
        [x, y],
        (turn) => (radii[Math.round(turn * 9) % 9]! * Math.min(width, height)) / 2,
      );
    }
    case 'star': {
      const spikes = whole(random, 5, 9);
      return closedCurve(
        spikes * 2,
        [x, y],
        (turn) => (Math.round(turn * spikes * 2) % 2 === 0 ? 1.15 : 0.85) * (Math.min(width, height) / 2),
      );
    }
    case 'cloud':
      return closedCurve(
        14,
        [x, y],
        (turn) =>
          (Math.round(turn * 14) % 2 === 0 ? 1.1 : 0.9) *
          (Math.abs(Math.cos(2 * Math.PI * turn)) * 0.1 + 0.42) *
          width,
      );
    case 'shield':
      return `M${n(left)} ${n(top)}H${n(right)}V${n(y)}C${n(right)} ${n(y + height * 0.35)} ${n(x + width * 0.1)} ${n(bottom)} ${n(x)} ${n(bottom)}C${n(x - width * 0.1)} ${n(bottom)} ${n(left)} ${n(y + height * 0.35)} ${n(left)} ${n(y)}Z`;
    case 'bean':
      return `M${n(left)} ${n(y)}C${n(left)} ${n(top)} ${n(x)} ${n(top)} ${n(x + width * 0.1)} ${n(top + height * 0.1)}C${n(right + width * 0.1)} ${n(top)} ${n(right)} ${n(bottom)} ${n(x + width * 0.15)} ${n(bottom)}C${n(x - width * 0.1)} ${n(bottom)} ${n(x - width * 0.1)} ${n(bottom - height * 0.15)} ${n(x - width * 0.2)} ${n(bottom - height * 0.05)}C${n(left - width * 0.05)} ${n(bottom)} ${n(left)} ${n(y + height * 0.2)} ${n(left)} ${n(y)}Z`;
  }
}

function drawEyes(random: KeyedRandom, count: number, x: number, y: number, width: number): string {
  const size = (width / (count + 1)) * random.between(0.28, 0.5);
  const arc = random.between(-0.3, 0.5) * size;
  const [white, iris] = [
    random.chance(0.7) ? '#ffffff' : colour(random, [75, 95]),
    random.chance(0.5) ? '#1b1b22' : colour(random, [10, 35]),
  ];
  const style = whole(random, 0, 3);
  const [lookX, lookY] = [random.between(-0.3, 0.3) * size, random.between(-0.3, 0.3) * size];
  return many(count, (i) => {
    const place = count === 1 ? 0 : i / (count - 1) - 0.5;
    const [cx, cy] = [x + place * width * 0.72, y - arc * (1 - 4 * place * place)];
    if (style === 0) return `<circle cx="${n(cx)}" cy="${n(cy)}" r="${n(size * 0.6)}" fill="${iris}"/>`;
    if (style === 1)
      return `<ellipse cx="${n(cx)}" cy="${n(cy)}" rx="${n(size * 0.5)}" ry="${n(size * 0.85)}" fill="${iris}"/><circle cx="${n(cx + size * 0.15)}" cy="${n(cy - size * 0.3)}" r="${n(size * 0.2)}" fill="#fff"/>`;
    if (style === 2 && random.chance(0.3))
      return `<path d="M${n(cx - size)} ${n(cy)}Q${n(cx)} ${n(cy - size)} ${n(cx + size)} ${n(cy)}" fill="none" stroke="${iris}" stroke-width="${n(size * 0.35)}" stroke-linecap="round"/>`;
    return `<circle cx="${n(cx)}" cy="${n(cy)}" r="${n(size)}" fill="${white}" stroke="${iris}" stroke-width="${n(size * 0.12)}"/><circle cx="${n(cx + lookX)}" cy="${n(cy + lookY)}" r="${n(size * 0.5)}" fill="${iris}"/><circle cx="${n(cx + lookX - size * 0.15)}" cy="${n(cy + lookY - size * 0.15)}" r="${n(size * 0.16)}" fill="#fff"/>`;
  });
}

function drawMouth(random: KeyedRandom, x: number, y: number, width: number): string {
  const ink = random.chance(0.6) ? '#3a1620' : colour(random, [10, 40]);
  const [half, bend, line] = [width / 2, random.between(-0.3, 0.6) * width, random.between(3, 8)];
  const left = `${n(x - half)} ${n(y)}`;
  const curve = `Q${n(x)} ${n(y + bend)} ${n(x + half)} ${n(y)}`;
  switch (whole(random, 0, 4)) {
    case 0:
      return `<path d="M${left}${curve}" fill="none" stroke="${ink}" stroke-width="${n(line)}" stroke-linecap="round"/>`;
    case 1:
      return `<path d="M${left}${curve}Z" fill="${ink}"/><path d="M${n(x - half * 0.4)} ${n(y + bend * 0.35)}Q${n(x)} ${n(y + bend * 0.2)} ${n(x + half * 0.4)} ${n(y + bend * 0.35)}Q${n(x)} ${n(y + bend * 0.6)} ${n(x - half * 0.4)} ${n(y + bend * 0.35)}Z" fill="#e8596b"/>`;
    case 2:
      return `<ellipse cx="${n(x)}" cy="${n(y)}" rx="${n(half * 0.4)}" ry="${n(half * 0.5)}" fill="${ink}"/>`;
    case 3: {
      const teeth = whole(random, 3, 7);
      const step = width / teeth;
      return `<rect x="${n(x - half)}" y="${n(y - 6)}" width="${n(width)}" height="${n(width * 0.28)}" rx="6" fill="#fff" stroke="${ink}" stroke-width="${n(line * 0.7)}"/>${many(teeth - 1, (i) => `<path d="M${n(x - half + (i + 1) * step)} ${n(y - 6)}v${n(width * 0.28)}" stroke="${ink}" stroke-width="2"/>`)}`;
    }
    default: {
      const waves = whole(random, 2, 5);
      const step = width / waves / 2;
      return `<path d="M${left}${many(waves, () => `q${n(step / 2)} ${n(-step)} ${n(step)} 0q${n(step / 2)} ${n(step)} ${n(step)} 0`)}" fill="none" stroke="${ink}" stroke-width="${n(line)}" stroke-linecap="round"/>`;
    }
  }
}

function drawHat(random: KeyedRandom, x: number, y: number, width: number): string {
  const [first, second] = [colour(random), colour(random)];
  const half = width / 2;
  switch (whole(random, 0, 3)) {
    case 0:
      return `<path d="M${n(x - half * 0.6)} ${n(y)}L${n(x)} ${n(y - width * 0.7)}L${n(x + half * 0.6)} ${n(y)}Z" fill="${first}"/>${many(3, (i) => `<circle cx="${n(x - half * 0.2 + i * half * 0.2)}" cy="${n(y - width * (0.12 + 0.12 * i))}" r="${n(width * 0.045)}" fill="${second}"/>`)}<circle cx="${n(x)}" cy="${n(y - width * 0.7)}" r="${n(width * 0.08)}" fill="${second}"/>`;
    case 1:
      return `<rect x="${n(x - half * 0.55)}" y="${n(y - width * 0.5)}" width="${n(width * 0.55)}" height="${n(width * 0.5)}" fill="${first}"/><rect x="${n(x - half * 0.55)}" y="${n(y - width * 0.18)}" width="${n(width * 0.55)}" height="${n(width * 0.1)}" fill="${second}"/><rect x="${n(x - half)}" y="${n(y - width * 0.07)}" width="${n(width)}" height="${n(width * 0.09)}" rx="4" fill="${first}"/>`;
    case 2:
      return `<path d="M${n(x - half * 0.7)} ${n(y)}L${n(x - half * 0.8)} ${n(y - width * 0.4)}L${n(x - half * 0.35)} ${n(y - width * 0.18)}L${n(x)} ${n(y - width * 0.5)}L${n(x + half * 0.35)} ${n(y - width * 0.18)}L${n(x + half * 0.8)} ${n(y - width * 0.4)}L${n(x + half * 0.7)} ${n(y)}Z" fill="#f5c22b" stroke="#b9820f" stroke-width="3"/><circle cx="${n(x)}" cy="${n(y - width * 0.1)}" r="${n(width * 0.06)}" fill="${second}"/>`;
    default:
      return `<path d="M${n(x - half * 0.8)} ${n(y)}A${n(half * 0.8)} ${n(half * 0.8)} 0 0 1 ${n(x + half * 0.8)} ${n(y)}Z" fill="${first}"/><path d="M${n(x - half * 0.9)} ${n(y)}H${n(x + half * 1.3)}" stroke="${second}" stroke-width="${n(width * 0.08)}" stroke-linecap="round"/>`;
  }
}

/** How many eyes mascot `index` of `seed` has: 1 to 4. */
const eyesOf = (random: KeyedRandom): number => whole(random, 1, 4);

function drawMascot(random: KeyedRandom, body: Body): string {
  const eyes = eyesOf(random);
  const [definition, fill] = paint(random, 'body');
  const [width, height] = [random.between(120, 170), random.between(110, 150)];
  const [x, y] = [128, 150];
  const edge = random.chance(0.5)
    ? ` stroke="${colour(random, [8, 40])}" stroke-width="${n(random.between(2, 7))}"`
    : '';
  const limb = colour(random);
  const limbs = random.chance(0.7)
    ? `<path d="M${n(x - width * 0.45)} ${n(y)}Q${n(x - width * 0.7)} ${n(y + random.between(-40, 30))} ${n(x - width * 0.65)} ${n(y - random.between(-30, 50))}M${n(x + width * 0.45)} ${n(y)}Q${n(x + width * 0.7)} ${n(y + random.between(-40, 30))} ${n(x + width * 0.65)} ${n(y - random.between(-30, 50))}M${n(x - width * 0.2)} ${n(y + height * 0.4)}v${n(height * 0.28)}M${n(x + width * 0.2)} ${n(y + height * 0.4)}v${n(height * 0.28)}" fill="none" stroke="${limb}" stroke-width="${n(random.between(6, 16))}" stroke-linecap="round"/>`
    : '';
  const spots = random.chance(0.35)
    ? many(
        whole(random, 3, 6),
        () =>
          `<circle cx="${n(x + random.between(-0.3, 0.3) * width)}" cy="${n(y + random.between(0, 0.35) * height)}" r="${n(random.between(3, 10))}" fill="${limb}"/>`,
      )
    : '';
  const outline = `<path d="${bodyPath(body, random, x, y, width, height)}" fill="${fill}"${edge}/>`;
  const hat = random.chance(0.6)
    ? drawHat(random, x + random.between(-12, 12), y - height * 0.42, width * random.between(0.5, 0.75))
    : '';
  const cheeks = random.chance(0.3)
    ? many(
        2,
        (i) =>
          `<ellipse cx="${n(x + (i - 0.5) * width * 0.62)}" cy="${n(y + height * 0.08)}" rx="10" ry="6" fill="#f48fa0" opacity="0.7"/>`,
      )
    : '';
  const mouth = drawMouth(
    random,
    x,
    y + height * random.between(0.16, 0.24),
    width * random.between(0.25, 0.5),
  );
  return `<defs>${definition}</defs>${limbs}${outline}${spots}${cheeks}${drawEyes(random, eyes, x, y - height * 0.12, width * 0.85)}${mouth}${hat}`;
}

function drawFace(random: KeyedRandom, body: Body): string {
  const [definition, fill] = paint(random, 'face');
  const ears = random.chance(0.5)
    ? many(
        2,
        (i) =>
          `<circle cx="${n(128 + (i - 0.5) * 150)}" cy="${n(random.between(50, 80))}" r="${n(random.between(20, 38))}" fill="${fill}"/>`,
      )
    : '';
  const nose = random.chance(0.5)
    ? `<ellipse cx="128" cy="140" rx="${n(random.between(6, 18))}" ry="${n(random.between(5, 14))}" fill="${colour(random, [10, 60])}"/>`
    : '';
  const brows = random.chance(0.4)
    ? many(
        2,
        (i) =>
          `<path d="M${n(128 + (i - 0.5) * 90 - 20)} ${n(80 + random.between(-8, 8))}l40 ${n(random.between(-12, 12))}" stroke="#2b1a12" stroke-width="${n(random.between(4, 10))}" stroke-linecap="round"/>`,
      )
    : '';
  return `<defs>${definition}</defs>${ears}<path d="${bodyPath(body, random, 128, 132, 200, 200)}" fill="${fill}"/>${drawEyes(random, whole(random, 1, 5), 128, 112, 170)}${brows}${nose}${drawMouth(random, 128, 172, random.between(50, 110))}`;
}

function drawShapes(random: KeyedRandom): string {
  return many(whole(random, 2, 9), (i) => {
    const [definition, fill] = paint(random, `s${i}`);
    const edge = random.chance(0.4)
      ? ` stroke="${colour(random, [5, 95])}" stroke-width="${n(random.between(1.5, 10))}"`
      : '';
    const [x, y, size] = [random.between(40, 216), random.between(40, 216), random.between(10, 80)];
    const turned = ` transform="rotate(${n(random.between(0, 360))} ${n(x)} ${n(y)})"`;
    const body = random.pick<Body>(TRAINED_BODIES);
    return `<defs>${definition}</defs><path d="${bodyPath(body, random, x, y, size * random.between(0.6, 1.6), size)}" fill="${fill}"${edge}${turned}/>`;
  });
}

function drawStrokes(random: KeyedRandom): string {
  return many(whole(random, 2, 8), () => {
    const point = (): string => `${n(random.between(15, 241))} ${n(random.between(15, 241))}`;
    const dashes = random.chance(0.2)
      ? ` stroke-dasharray="${n(random.between(4, 20))} ${n(random.between(4, 16))}"`
      : '';
    return `<path d="M${point()}C${point()} ${point()} ${point()}S${point()} ${point()}" fill="none" stroke="${colour(random, [5, 95])}" stroke-width="${n(random.between(1.5, 14))}" stroke-linecap="round"${dashes}/>`;
  });
}

/** Capitals and digits as strokes in a box of 4 by 6. */
const GLYPHS =
  'M0 6L2 0L4 6M1 4H3|M0 0V6H3Q4 6 4 4.5Q4 3 3 3H0H3Q4 3 4 1.5Q4 0 3 0Z|M4 1Q3 0 2 0Q0 0 0 3Q0 6 2 6Q3 6 4 5|M0 0V6H2Q4 6 4 3Q4 0 2 0Z|M4 0H0V6H4M0 3H3|M4 0H0V6M0 3H3|M4 1Q3 0 2 0Q0 0 0 3Q0 6 2 6Q4 6 4 4V3H2|M0 0V6M4 0V6M0 3H4|M2 0V6M1 0H3M1 6H3|M4 0V4Q4 6 2 6Q0 6 0 4|M0 0V6M4 0L0 3L4 6|M0 0V6H4|M0 6V0L2 3L4 0V6|M0 6V0L4 6V0|M2 0Q0 0 0 3Q0 6 2 6Q4 6 4 3Q4 0 2 0Z|M0 6V0H3Q4 0 4 1.5Q4 3 3 3H0|M2 0Q0 0 0 3Q0 6 2 6Q4 6 4 3Q4 0 2 0ZM2.5 4.5L4 6|M0 6V0H3Q4 0 4 1.5Q4 3 3 3H0M2 3L4 6|M4 1Q3 0 2 0Q0 0 0 1.5Q0 3 2 3Q4 3 4 4.5Q4 6 2 6Q1 6 0 5|M0 0H4M2 0V6|M0 0V4Q0 6 2 6Q4 6 4 4V0|M0 0L2 6L4 0|M0 0L1 6L2 2L3 6L4 0|M0 0L4 6M4 0L0 6|M0 0L2 3L4 0M2 3V6|M0 0H4L0 6H4|M2 0Q0 0 0 3Q0 6 2 6Q4 6 4 3Q4 0 2 0ZM1 5L3 1|M1 1L2 0V6M1 6H3|M0 1Q1 0 2 0Q4 0 4 1.5Q4 3 0 6H4|M0 1Q1 0 2 0Q4 0 4 1.5Q4 3 2 3Q4 3 4 4.5Q4 6 2 6Q1 6 0 5|M3 6V0L0 4H4|M4 0H0V3H2Q4 3 4 4.5Q4 6 2 6Q1 6 0 5|M3 0Q0 1 0 4Q0 6 2 6Q4 6 4 4.5Q4 3 2 3Q0 3 0 4|M0 0H4L1 6|M2 0Q0 0 0 1.5Q0 3 2 3Q4 3 4 4.5Q4 6 2 6Q0 6 0 4.5Q0 3 2 3Q4 3 4 1.5Q4 0 2 0Z|M4 2Q4 0 2 0Q0 0 0 1.5Q0 3 2 3Q4 3 4 2Q4 5 1 6'.split(
    '|',
  );

function glyph(random: KeyedRandom, x: number, y: number, unit: number, ink: string, line: number): string {
  return `<path transform="translate(${n(x)} ${n(y)}) scale(${unit.toFixed(2)})" d="${random.pick(GLYPHS)}" fill="none" stroke="${ink}" stroke-width="${(line / unit).toFixed(2)}" stroke-linecap="round" stroke-linejoin="round"/>`;
}

function drawLetters(random: KeyedRandom): string {
  const count = whole(random, 1, 4);
  const unit = 216 / count / 5;
  const plate = random.chance(0.5)
    ? `<rect x="8" y="${n(128 - 3.8 * unit)}" width="240" height="${n(7.6 * unit)}" rx="${n(random.between(0, 40))}" fill="${colour(random)}"/>`
    : '';
  const ink = colour(random, plate ? [85, 100] : [5, 60]);
  const line = unit * random.between(0.4, 1.2);
  return (
    plate + many(count, (i) => glyph(random, 20 + i * unit * 5 + unit * 0.5, 128 - 3 * unit, unit, ink, line))
  );
}

const ground = (fill: string): string => `<rect width="${SIDE}" height="${SIDE}" fill="${fill}"/>`;

function drawGradient(random: KeyedRandom): string {
  const stops = many(
    whole(random, 2, 4),
    (i) => `<stop offset="${n(i / 3)}" stop-color="${colour(random, [5, 95])}"/>`,
  );
  const shapes = random.chance(0.6) ? drawShapes(random) : '';
  return `<defs><linearGradient id="g" x1="${n(random.unit())}" y1="${n(random.unit())}" x2="${n(random.unit())}" y2="${n(random.unit())}">${stops}</linearGradient></defs>${ground(colour(random))}${ground('url(#g)')}${shapes}`;
}

/** Stripes, checks, dots, bricks or blades of grass. */
function drawTexture(random: KeyedRandom): string {
  const [first, second] = [colour(random, [10, 90]), colour(random, [10, 90])];
  const step = random.between(8, 40);
  const tiles = Math.ceil(SIDE / step);
  const kind = whole(random, 0, 4);
  const tilt = ` transform="rotate(${n(random.between(-45, 45))} 128 128) translate(-64 -64) scale(1.5)"`;
  const cell = (x: number, y: number): string => {
    if (kind === 0)
      return y === 0 ? `<rect x="${n(x * step)}" width="${n(step / 2)}" height="${SIDE}"/>` : '';
    if (kind === 1)
      return (x + y) % 2 === 0
        ? `<rect x="${n(x * step)}" y="${n(y * step)}" width="${n(step)}" height="${n(step)}"/>`
        : '';
    if (kind === 2)
      return `<circle cx="${n((x + 0.5 * (y % 2)) * step)}" cy="${n(y * step)}" r="${n(step * 0.28)}"/>`;
    if (kind === 3)
      return `<rect x="${n((x + 0.5 * (y % 2)) * step)}" y="${n(y * step * 0.5)}" width="${n(step * 0.9)}" height="${n(step * 0.4)}"/>`;
    return `<path d="M${n(x * step + random.between(0, step))} ${n(y * step + step)}q${n(random.between(-6, 6))} ${n(-step)} ${n(random.between(-10, 10))} ${n(-step * 1.6)}" stroke="${second}" stroke-width="${n(random.between(1.5, 5))}" fill="none"/>`;
  };
  return `${ground(first)}<g fill="${second}"${tilt}>${many(tiles, (y) => many(tiles, (x) => cell(x, y)))}</g>`;
}

function drawLines(random: KeyedRandom): string {
  const ink = colour(random, [5, 95]);
  return (
    ground(colour(random, [5, 95])) +
    many(whole(random, 4, 20), () => {
      const [x, y, angle, length] = [
        random.between(0, SIDE),
        random.between(0, SIDE),
        random.between(0, Math.PI),
        random.between(30, 300),
      ];
      return `<path d="M${n(x)} ${n(y)}l${n(length * Math.cos(angle))} ${n(length * Math.sin(angle))}" stroke="${random.chance(0.7) ? ink : colour(random)}" stroke-width="${n(random.between(1, 6))}"/>`;
    })
  );
}

function drawText(random: KeyedRandom): string {
  const unit = random.between(2.2, 6);
  const [columns, rows] = [Math.floor(SIDE / (unit * 5.5)), Math.floor(SIDE / (unit * 9))];
  const [ink, line] = [
    colour(random, random.chance(0.5) ? [5, 30] : [80, 100]),
    unit * random.between(0.5, 1),
  ];
  return (
    ground(colour(random, [30, 75])) +
    many(rows, (row) =>
      many(columns, (column) =>
        random.chance(0.15)
          ? ''
          : glyph(random, column * unit * 5.5 + 4, row * unit * 9 + 6, unit, ink, line),
      ),
    )
  );
}
