import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { sweepSheet } from '../../core/pictures/sweep-sheet.ts';
import { MODEL } from '../commands/helpers.ts';
import { openWorld, PlayedWorker, say, sprite, drop } from './world.ts';
const OUT = '/tmp/look';
const world = await openWorld();
await world.storage.records.saveModelCard({
  ...MODEL,
  computer: { device: 'cpu', check: null, drawnStep: 0.01, trainedStep: 0.3 },
});
const worker = new PlayedWorker(world.storage);
const mia = await world.join('Mia', { viewport: { width: 1180, height: 1100 } });
const ada = await world.join('Ada', {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
});
const wait = (ms: number) => new Promise((r) => setTimeout(r, ms));
const shoot = async (name: string) => {
  await wait(900);
  for (const [n, p] of [
    ['desk', mia],
    ['phone', ada],
  ] as [string, Page][])
    await p.screenshot({ path: join(OUT, `${name}-${n}.png`) });
};
try {
  const names = ['cat-face', 'grinning-cat', 'cat-with-wry-smile'];
  await drop(
    mia,
    await Promise.all(
      names.map(async (n, i) => ({
        name: `${n}.png`,
        bytes: await sprite(n, ['#cfe3f7', '#f7e2b8', '#d9f0d0'][i]!, 300, 10 * i),
      })),
    ),
  );
  await say(mia, '/krona photos add subject:mochi class:cat');
  await wait(2500);
  await say(mia, '/krona sweep mochi a1:2,4,8 a2:8,16 lr:1e-3,2e-3 steps:200');
  await mia.getByRole('button', { name: 'Start' }).waitFor();
  await shoot('1-ask');
  await mia.getByRole('button', { name: 'Start' }).click();
  const run = await worker.run();
  const phase = 'training 4×8, lr 0.001';
  const { records } = world.storage;
  const some = {
    ...run.sweep!,
    cells: run.sweep!.cells.map((c, n) =>
      n < 2
        ? { ...c, score: { step: 25, fidelity: 0.5, alignment: 0.4, score: 0.44 + n / 50 } }
        : n === 4
          ? { ...c, dropped: true }
          : c,
    ),
  };
  await records.updateRun(run.id, {
    state: 'running',
    startedAt: new Date(),
    sweep: some,
    progress: { step: 62, steps: 800, secondsLeft: 221, phase },
  });
  await shoot('2-running');
  await mia.getByRole('button', { name: 'Cancel cells' }).click();
  await shoot('3-cells');
  await say(mia, '/krona queue show');
  await shoot('3b-queue');
  const tiles = await Promise.all(
    run.sweep!.cells.map((_, n) =>
      sprite('cat-face', ['#cfe3f7', '#f7e2b8', '#d9f0d0', '#f3d3dd'][n % 4]!, 128, 4 * n),
    ),
  );
  const { png } = await sweepSheet(
    run.sweep!.cells.map((c, n) => ({
      ...c,
      picture: n === 5 ? null : tiles[n]!,
      score: n === 7 ? null : 0.41 + n / 50,
      finalist: n > 9,
    })),
  );
  await writeFile(join(OUT, 'sheet.png'), png);
  await worker.sweep((await records.run(run.id))!, png);
  await wait(1500);
  await mia.getByRole('heading', { name: /is done/ }).scrollIntoViewIfNeeded();
  await ada.getByRole('heading', { name: /is done/ }).scrollIntoViewIfNeeded();
  await shoot('4-done');
  const people = [];
  for (const n of ['Ben', 'Zoe', 'Kai']) people.push(await records.member('web', n, n));
  const channel = await records.channelById(run.channelId);
  for (let k = 0; k < 200; k++) {
    const [duel] = await records.openDuels(channel!.id);
    if (!duel) {
      if (await records.duelOfRun(run.id)) break;
      await wait(200);
      continue;
    }
    for (const set of await records.setsOfDuel(duel.id)) {
      if (set.state !== 'queued') continue;
      const turned = duel.swapped[set.duelPlace!];
      const ids = [duel.firstId!, duel.secondId!];
      const pics = await worker.draw(
        set,
        [await sprite('cat-face', '#f7e2b8', 128, 3 * k), await sprite('cat-face', '#d9f0d0', 128, -5 * k)],
        turned ? ids.toReversed() : ids,
      );
      if (set.duelPlace === 1) {
        await wait(800);
        await mia.getByRole('heading', { name: /Blind duel/ }).scrollIntoViewIfNeeded();
        await ada.getByRole('heading', { name: /Blind duel/ }).scrollIntoViewIfNeeded();
        await shoot('5-duel');
      }
      for (const m of people)
        await records.addVote({
          pictureId: pics[turned ? 1 : 0]!.id,
          memberId: m.id,
          emoji: '👍',
          added: true,
        });
    }
    await wait(300);
  }
  await wait(2000);
  for (const p of [mia, ada]) await p.getByRole('heading', { name: /won the duel/ }).scrollIntoViewIfNeeded();
  await shoot('6-verdict');
} finally {
  console.log(world.errors);
  await world.close();
}
