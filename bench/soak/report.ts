/**
 * @file What a soak has measured: a table of slopes with 95% intervals after the warm-up, and a plot.
 *
 *   npx tsx bench/soak/report.ts --out /tmp/krona-soak [--warm 20] [--plot docs/images/soak.svg]
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { plot } from './plot.ts';
import type { Sample } from './sample.ts';
import { slopeOf } from './slopes.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: '/tmp/krona-soak' },
    /** Minutes that count for no slope. */
    warm: { type: 'string', default: '20' },
    /** Minutes after which samples count for no slope, as where somebody looked into a process. */
    until: { type: 'string', default: 'Infinity' },
    plot: { type: 'string' },
  },
});

const text = await readFile(join(values.out, 'samples.jsonl'), 'utf8');
const samples = text
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Sample);
const names = [...new Set(samples.flatMap((sample) => Object.keys(sample)))].filter((name) => name !== 'at');
const MIB = 1024 ** 2;
const isBytes = (name: string): boolean => /memory|heap|size|bytes/.test(name);

process.stdout.write('| what | at first | at last | an hour (95%) |\n| --- | --- | --- | --- |\n');
for (const name of names) {
  const unit = isBytes(name) ? MIB : 1;
  const measured = samples.flatMap(({ at = 0, [name]: value }) =>
    value !== undefined && at * 60 >= Number(values.warm) && at * 60 < Number(values.until)
      ? [{ at, value: value / unit }]
      : [],
  );
  const [first] = measured;
  const last = measured.at(-1);
  if (first === undefined || last === undefined || measured.length < 10) continue;
  const { perHour, low, high } = slopeOf(
    measured.map(({ at }) => at),
    measured.map(({ value }) => value),
  );
  const shown = (value: number): string => `${Number(value.toPrecision(3))}${unit === MIB ? ' MiB' : ''}`;
  process.stdout.write(
    `| ${name} | ${shown(first.value)} | ${shown(last.value)} | ${shown(perHour)} (${Number(low.toPrecision(2))} to ${Number(high.toPrecision(2))}) |\n`,
  );
}
process.stdout.write(`\n${samples.length} samples in ${((samples.at(-1)?.at ?? 0) * 60).toFixed(0)} min\n`);
if (values.plot !== undefined)
  await writeFile(
    values.plot,
    plot(
      samples,
      names.filter((name) => / memory$|live heap$/.test(name)),
    ),
  );
