/**
 * @file The bot of the simulation: asks for sets as members would, each with its job in one transaction, and moves the jobs
 * into the queue. Killed and started again, it goes on where it stopped. Arguments: data folder, plan as JSON, first job.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../core/config.ts';
import { DEFAULT_SETTINGS } from '../../core/settings/defaults.ts';
import { openStorage } from '../../storage/open.ts';
import { relayOutbox } from '../../storage/outbox.ts';
import { jobId, ownerOf, type Plan } from './plan.ts';

process.once('disconnect', () => process.exit());

const [dataFolder = '', given = '{}', from = '0'] = process.argv.slice(2);
const plan = JSON.parse(given) as Plan;
const config = await readConfig({
  KRONA_DATA: dataFolder,
  DATABASE_URL: process.env['DATABASE_URL'],
  REDIS_URL: process.env['REDIS_URL'],
});
const { records, jobs } = await openStorage(config, { onError: () => {} });
relayOutbox(records, jobs);

const first = Number(from);
const began = Date.now();
process.send?.('ready');
for (let n = first; n < plan.jobs;) {
  const due = plan.perSecond === null ? plan.jobs : first + ((Date.now() - began) / 1000) * plan.perSecond;
  if (n >= due) await sleep(2);
  // A database that is away comes back.
  else if (await ask(n).catch(() => false)) n += 1;
  else await sleep(200);
}

/** Asks for a set of one picture, once. */
async function ask(n: number): Promise<true> {
  const owner = ownerOf(n, plan.channels);
  const id = jobId(n);
  const channel = await records.channel('web', `channel ${owner.channel}`, `channel ${owner.channel}`);
  const name = `member ${owner.member} of ${owner.channel}`;
  const member = await records.member('web', name, name);
  await records.transaction(async (within) => {
    if ((await within.set(id)) !== null) return;
    await within.addSet({
      ...{ id, channelId: channel.id, memberId: member.id, kind: 'imagine', runId: null, subjectId: null },
      ...{ prompt: 'a fox', negative: null, seed: n, count: 1, strength: 1, settings: DEFAULT_SETTINGS },
      ...{ adapterId: null, state: 'queued' },
    });
    await within.addOutboxJob({ id, kind: 'imagine', payload: { setId: id } });
  });
  return true;
}
