/** @file Generated mascots and faces. */
import { at } from '../../core/at.ts';
import type { ExampleRandom } from '../pretrain/example-random.ts';
import { bodyPath, type Body } from './bodies.ts';
import { colour, many, n, paint, whole } from './svg-parts.ts';

export function drawEyes(random: ExampleRandom, count: number, x: number, y: number, width: number): string {
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

function drawMouth(random: ExampleRandom, x: number, y: number, width: number): string {
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

export const HATS = ['party hat', 'top hat', 'crown', 'cap'] as const;

/** A hat whose brim is at (x, y). @param kind chance decides unless given */
export function drawHat(
  random: ExampleRandom,
  x: number,
  y: number,
  width: number,
  kind?: (typeof HATS)[number],
): string {
  const [first, second] = [colour(random), colour(random)];
  const half = width / 2;
  switch (kind ?? at(HATS, whole(random, 0, 3))) {
    case 'party hat':
      return `<path d="M${n(x - half * 0.6)} ${n(y)}L${n(x)} ${n(y - width * 0.7)}L${n(x + half * 0.6)} ${n(y)}Z" fill="${first}"/>${many(3, (i) => `<circle cx="${n(x - half * 0.2 + i * half * 0.2)}" cy="${n(y - width * (0.12 + 0.12 * i))}" r="${n(width * 0.045)}" fill="${second}"/>`)}<circle cx="${n(x)}" cy="${n(y - width * 0.7)}" r="${n(width * 0.08)}" fill="${second}"/>`;
    case 'top hat':
      return `<rect x="${n(x - half * 0.55)}" y="${n(y - width * 0.5)}" width="${n(width * 0.55)}" height="${n(width * 0.5)}" fill="${first}"/><rect x="${n(x - half * 0.55)}" y="${n(y - width * 0.18)}" width="${n(width * 0.55)}" height="${n(width * 0.1)}" fill="${second}"/><rect x="${n(x - half)}" y="${n(y - width * 0.07)}" width="${n(width)}" height="${n(width * 0.09)}" rx="4" fill="${first}"/>`;
    case 'crown':
      return `<path d="M${n(x - half * 0.7)} ${n(y)}L${n(x - half * 0.8)} ${n(y - width * 0.4)}L${n(x - half * 0.35)} ${n(y - width * 0.18)}L${n(x)} ${n(y - width * 0.5)}L${n(x + half * 0.35)} ${n(y - width * 0.18)}L${n(x + half * 0.8)} ${n(y - width * 0.4)}L${n(x + half * 0.7)} ${n(y)}Z" fill="#f5c22b" stroke="#b9820f" stroke-width="3"/><circle cx="${n(x)}" cy="${n(y - width * 0.1)}" r="${n(width * 0.06)}" fill="${second}"/>`;
    case 'cap':
      return `<path d="M${n(x - half * 0.8)} ${n(y)}A${n(half * 0.8)} ${n(half * 0.8)} 0 0 1 ${n(x + half * 0.8)} ${n(y)}Z" fill="${first}"/><path d="M${n(x - half * 0.9)} ${n(y)}H${n(x + half * 1.3)}" stroke="${second}" stroke-width="${n(width * 0.08)}" stroke-linecap="round"/>`;
  }
}

/** Number of a mascot's eyes, 1 to 4: the first random draw after the body's. */
export const eyesOf = (random: ExampleRandom): number => whole(random, 1, 4);

/** A body with eyes, a mouth, and perhaps limbs, spots, cheeks and a hat. */
export function drawMascot(random: ExampleRandom, body: Body): string {
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

/** A face that fills its square. */
export function drawFace(random: ExampleRandom, body: Body): string {
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
