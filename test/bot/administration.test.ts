/** The administrator's page in a browser: what it shows of all channels, and what a moderator does there. */
import { randomUUID } from 'node:crypto';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../helpers/until.ts';
import { advanceDuel, cancelDuel } from '../../commands/votes/advance-duel.ts';
import { openDuel } from '../../commands/votes/open-duel.ts';
import { MODEL } from '../commands/helpers.ts';
import { newRun, newSet, newSubject } from '../helpers/new-records.ts';
import { openWorld, PlayedWorker, say, type World } from './world.ts';

let world: World;
let worker: PlayedWorker;
let boss: Page;
beforeAll(async () => {
  world = await openWorld();
  worker = new PlayedWorker(world.storage);
  boss = await moderator({});
});
afterAll(() => world.close());

async function moderator(options: Parameters<World['join']>[1]): Promise<Page> {
  const page = await world.join(null, options);
  await page.goto(`${world.address}/?moderator=${encodeURIComponent(world.config.webAccess.moderatorKey)}`);
  await page.getByLabel('What should people call you?').fill('Boss');
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByRole('textbox', { name: /^Message #/ }).waitFor();
  return page;
}

const open = async (page: Page): Promise<void> => {
  await page.goto(`${world.address}/#/administration`);
  await page.getByRole('heading', { name: 'Administration' }).waitFor();
  await page.getByRole('heading', { name: /^Queue/ }).waitFor();
};

it('shows work of all channels, cancels it, and queues it again', async () => {
  await say(boss, '/krona imagine a lighthouse');
  const set = await worker.set();
  const { records } = world.storage;
  const elsewhere = await records.channel('discord', '42', 'cats', { serverId: '7' });
  const member = await records.member('discord', '1', 'Ada');
  const failed = await records.addSet(
    newSet({ channelId: elsewhere.id, memberId: member.id, prompt: 'a storm', state: 'running' }),
  );
  const failure = { code: 'ENGINE_DIED', message: 'The engine process stopped unexpectedly.' };
  await records.updateSet(failed.id, { state: 'failed', failure, endedAt: new Date() });
  await boss.getByRole('link', { name: 'Administration' }).click();
  const row = (text: string) => boss.getByRole('row').filter({ hasText: text });
  const queued = row('a lighthouse').filter({ hasText: 'queued' });
  await queued.getByRole('button', { name: 'Cancel' }).click();
  await row('a lighthouse').getByRole('button', { name: 'Queue again' }).waitFor();
  expect((await records.set(set.id))?.state).toBe('cancelled');
  await row('a storm').filter({ hasText: 'ENGINE_DIED' }).filter({ hasText: '#cats discord' }).waitFor();
  await row('a storm').getByRole('button', { name: 'Queue again' }).click();
  await row('a storm').getByRole('button', { name: 'Cancel' }).waitFor();
  expect(await records.set(failed.id)).toMatchObject({ state: 'queued', failure: null, endedAt: null });
  // Its job is in the queue again, for a worker.
  await until(async () => (await world.storage.jobs.unfinished('imagine')).has(failed.id), 'the job');
  await row('queued again: a storm').waitFor();
});

it('queues nothing again that has nothing to come back to', async () => {
  const { records } = world.storage;
  const channel = await records.channel('web', 'general', 'general');
  const member = await records.member('web', 'ann', 'Ann');
  const subject = await records.addSubject(newSubject({ channelId: channel.id, ownerId: member.id }));
  const failed = await records.addRun(newRun(subject, { state: 'failed', endedAt: new Date() }));
  const open = await records.addRun(newRun(subject));
  const again = (id: string) =>
    boss.evaluate(async (path) => {
      const answer = await fetch(path, { method: 'POST' });
      return [answer.status, ((await answer.json()) as { error?: { code: string } }).error?.code];
    }, `/api/administration/work/${id}/requeue`);
  expect(await again(failed.id)).toEqual([400, 'SUBJECT_BUSY']);
  const [a, b] = [await worker.adapter(open, 100, false), await worker.adapter(open, 200, true)];
  await worker.finish(open);
  expect(await again(failed.id)).toEqual([200, undefined]);
  // Whoever deleted their photos has them in no training that begins afterwards.
  await records.updateRun(failed.id, { state: 'cancelled', endedAt: new Date() });
  const erased = await records.addRun(
    newRun(subject, { state: 'failed', endedAt: new Date(), photoHashes: ['a'.repeat(64)] }),
  );
  expect(await again(erased.id)).toEqual([400, 'NO_PHOTOS']);
  const [first, second] = [await records.adapter(a), await records.adapter(b)];
  const duel = await records.transaction((within) =>
    openDuel(within, { channel, member }, { subject, first: first!, second: second! }),
  );
  await advanceDuel(records, duel.id);
  const [pair] = await records.setsOfDuel(duel.id);
  await records.transaction((within) => cancelDuel(within, duel, 'Enough.'));
  expect(await again(pair!.id)).toEqual([400, 'WORK_ENDED']);
});

it('lists workers, and drains one', async () => {
  const { records } = world.storage;
  const facts = {
    version: '0.1.0',
    device: 'cuda:1',
    memory: 8 * 1024 ** 3,
    models: ['krona-emoji'],
    adapters: [],
  };
  const id = randomUUID();
  await records.saveWorker({ id, host: 'gpu-7', ...facts, doing: [{ kind: 'train', id }], state: 'working' });
  await open(boss);
  const worker = boss.getByRole('row').filter({ hasText: 'gpu-7' });
  await worker.filter({ hasText: 'cuda:1, 8.0 GiB' }).filter({ hasText: 'trains an adapter' }).waitFor();
  await worker.getByRole('button', { name: 'Drain' }).click();
  await worker.filter({ hasText: 'draining: trains an adapter' }).waitFor();
  expect((await records.workers())[0]?.drain).toBe(true);
});

it("shows a channel's rules and makes a token, once", async () => {
  await open(boss);
  await boss
    .getByRole('row')
    .filter({ hasText: '#general' })
    .getByRole('button', { name: 'Rules' })
    .first()
    .click();
  await boss.getByRole('row').filter({ hasText: 'who can train' }).filter({ hasText: 'everyone' }).waitFor();
  await boss.getByLabel('Name').fill('press');
  await boss.getByRole('button', { name: 'Make a token' }).click();
  const token = await boss.getByLabel(/^Copy the token now/).inputValue();
  expect(token).toMatch(/^krona_[\w-]{43}$/);
  await boss.getByRole('row').filter({ hasText: 'press' }).getByRole('button', { name: 'Revoke' }).waitFor();
  await boss.reload();
  await boss.getByRole('button', { name: 'Revoke' }).click();
  await boss.getByRole('button', { name: 'Revoke' }).waitFor({ state: 'detached' });
});

it('pulls a model whose licence is accepted, has it draw in a place, and removes it', async () => {
  const { records } = world.storage;
  const card = { ...MODEL, name: 'krona-emoji' };
  await records.saveModelCard(card);
  await open(boss);
  const row = (...texts: readonly string[]) =>
    texts.reduce(
      (rows, hasText) => rows.filter({ hasText }),
      boss.getByRole('region', { name: /^model,/ }).getByRole('row'),
    );
  await row('krona-emoji', '#general web').waitFor();
  await row('SD-Turbo', 'can be pulled', 'commercial use').getByRole('button', { name: 'Pull' }).click();
  await boss.getByText('Accept the licence of SD-Turbo?').waitFor();
  expect(await records.openPull('sd-turbo')).toBeNull();
  await boss.getByRole('button', { name: 'Accept and pull' }).click();
  await row('SD-Turbo', 'pull is queued').waitFor();
  const { id } = (await records.openPull('sd-turbo'))!;
  const progress = { step: 512, steps: 2048, secondsLeft: 60, phase: 'downloading unet, MiB' };
  await records.updatePull(id, { state: 'running', progress });
  await row('SD-Turbo', 'pulling, 25%').waitFor();
  await row('SD-Turbo').getByRole('button', { name: 'Cancel' }).click();
  await row('SD-Turbo', 'can be pulled').waitFor();
  expect((await records.pull(id))?.state).toBe('cancelled');

  await records.saveModelCard({ ...card, name: 'sd-turbo' }, 'sd-turbo', { commit: 'c0ffee', bytes: 2e9 });
  await row('SD-Turbo', 'pulled', '1.9 GiB').getByRole('button', { name: 'Use' }).click();
  await row('SD-Turbo', '#general web').waitFor();
  await row('SD-Turbo').getByRole('button', { name: 'Remove' }).click();
  // The same check as in the chat.
  await boss.getByRole('alert').filter({ hasText: 'is in use by' }).waitFor();
  await row('krona-emoji').getByRole('button', { name: 'Use' }).click();
  await row('SD-Turbo', 'no channel').getByRole('button', { name: 'Remove' }).click();
  await row('SD-Turbo', 'can be pulled').waitFor();
  expect(await records.modelCard('sd-turbo')).toBeNull();
  await boss.getByRole('row').filter({ hasText: 'removed SD-Turbo' }).waitFor();
});

it('is read on a phone without scrolling sideways, and by a screen reader', async () => {
  const phone = await moderator({ viewport: { width: 390, height: 844 } });
  await open(phone);
  for (const page of [boss, phone]) {
    await page.getByRole('heading', { name: 'Log' }).waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(wide).toBeLessThanOrEqual(0);
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() =>
      (globalThis as unknown as { axe: typeof axe }).axe.run(),
    );
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    expect(grave.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
  }
});

it('is not there for members', async () => {
  const mia = await world.join('Mia');
  expect(await mia.getByRole('link', { name: 'Administration' }).count()).toBe(0);
  await mia.goto(`${world.address}/#/administration`);
  await mia.getByRole('textbox', { name: /^Message #/ }).waitFor();
  expect(world.errors).toEqual([]);
});
