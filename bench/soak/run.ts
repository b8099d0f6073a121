/**
 * @file The soak: real bot and workers for a long time. A job a second comes to an installation with PostgreSQL, Redis and
 * played engines, by members of its web chat, who also vote and look; a job a minute to one with the embedded database and
 * the real engine, a short training now and then. Every 30 s, memory, open files, databases, Redis, folders and logs are
 * measured. Prints slopes after the first part, with intervals; writes samples and a plot beside this file.
 *
 *   npx tsx bench/soak/run.ts --minutes 90 [--warm 20] [--rate 1] [--out /tmp/soak]
 */
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { mochiPhotos } from '../../test/helpers/mochi.ts';
import { type Installation, startPlayed, startReal } from './installations.ts';
import { SoakMember } from './member.ts';
import { together } from './sample.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '90' },
    /** Jobs a second on played engines. */
    rate: { type: 'string', default: '1' },
    /** Pause between two jobs of the real engine, and between two trainings, s. */
    pause: { type: 'string', default: '60' },
    trainings: { type: 'string', default: '900' },
    /** Pause between two samples, s. */
    every: { type: 'string', default: '30' },
    out: { type: 'string', default: '/tmp/krona-soak' },
  },
});
const { out } = values;
let end = Date.now() + Number(values.minutes) * 60_000;
// What runs is ended in order.
process.once('SIGTERM', () => (end = 0));
const say = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);
const failures = new Map<string, number>();

/** Does something at regular times until the end; what fails is counted. */
async function every(seconds: number, work: (n: number) => Promise<void>): Promise<void> {
  const began = Date.now();
  const under = new Set<Promise<void>>();
  for (let n = 0; Date.now() < end; n += 1) {
    const one = work(n)
      .catch((error: unknown) => {
        const what = String(error).slice(0, 200);
        failures.set(what, (failures.get(what) ?? 0) + 1);
      })
      .finally(() => under.delete(one));
    under.add(one);
    await sleep(Math.max(0, Math.min(end, began + (n + 1) * seconds * 1000) - Date.now()));
  }
  await Promise.all(under);
}

const MEMBERS = 5;
const LOOKS = [
  '/krona queue show',
  '/krona top',
  '/krona gallery fox',
  '/krona settings show',
  '/krona privacy show',
];

/** A job a second, some votes, and now and then a look at something. */
async function played({ address, moderatorAddress }: Installation): Promise<void> {
  const members: SoakMember[] = [];
  for (let n = 0; n < MEMBERS; n += 1)
    members.push(await SoakMember.enter(address, moderatorAddress, `Member ${n}`));
  await every(1 / Number(values.rate), async (n) => {
    const member = members[n % MEMBERS];
    await member?.say(`/krona imagine fox number ${n} count:1`);
    if (n % 3 === 0) await member?.vote();
    if (n % 20 === 0) await member?.look();
    if (n % 12 === 0) await member?.say(LOOKS[(n / 12) % LOOKS.length] ?? '');
    if (n % 300 === 299) say(`asked ${n + 1} times; last: ${member?.titles.slice(-2).join(' | ')}`);
  });
  for (const member of members) member.leave();
}

async function real({ address, moderatorAddress }: Installation): Promise<void> {
  const member = await SoakMember.enter(address, moderatorAddress, 'Mia');
  const photos = await mochiPhotos(4, 128);
  const drawing = every(Number(values.pause), async (n) => {
    await member.say(`/krona imagine a red fox number ${n} count:1`);
    say(`the real engine: ${member.titles.slice(-3).join(' | ')}`);
  });
  const training = every(Number(values.trainings), async (n) => {
    const uploads = [];
    for (const { name, bytes } of photos) uploads.push(await member.upload(name, new Uint8Array(bytes)));
    await member.say(`/krona photos add subject:mochi${n} class:cat`, uploads);
    await sleep(10_000);
    await member.say(`/krona train subject:mochi${n} steps:40`);
  });
  await Promise.all([drawing, training]);
  member.leave();
}

await mkdir(out, { recursive: true });
const began = Date.now();
const installations = [await startPlayed(out), await startReal(out)] as const;
try {
  const sampling = every(Number(values.every), async () => {
    const samples = await Promise.all(installations.map((each) => each.sample()));
    const sample = { at: (Date.now() - began) / 3_600_000, ...together(samples) };
    await appendFile(join(out, 'samples.jsonl'), `${JSON.stringify(sample)}\n`);
  });
  await Promise.all([sampling, played(installations[0]), real(installations[1])]);
  for (const [what, count] of failures) say(`failed ${count} times: ${what}`);
} finally {
  await Promise.all(installations.map((each) => each.stop()));
}
