import { randomUUID } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { catalogueModel } from '../../core/catalogue.ts';
import { memoryNeeded } from '../../core/settings/model-needs.ts';
import type { PictureSet } from '../../core/records.ts';
import type { Storage } from '../../storage/open.ts';
import type { Card } from '../../commands/card.ts';
import { openDuel } from '../../commands/votes/open-duel.ts';
import { releaseWaiting } from '../../storage/waiting-sets.ts';
import { welcomeOf } from '../../commands/models/model.ts';
import { MODEL, photo, Room } from './helpers.ts';

const TURBO = 'sd-turbo';
/** As a worker describes a pulled model. */
const TURBO_CARD = {
  ...MODEL,
  name: 'sd-turbo',
  architecture: 'sd2',
  nativeSize: 512,
  fewSteps: { steps: 4, guidance: 1 },
};
const FILES = { commit: 'c0ffee'.padEnd(40, '0'), bytes: 2e9 };
const GIB = 2 ** 30;

/** Models as moderators fetch and choose them; the worker is played. */
export function modelSuite(storage: () => Storage): void {
  const records = () => storage().records;
  function room(): Room {
    const made = new Room(storage());
    made.moderators.add('boss');
    return made;
  }
  /** A set as it is queued, and then drawn. */
  async function drawn(here: Room, prompt: string): Promise<PictureSet> {
    const set = await here.set(await here.say('ann', `/krona imagine ${prompt}`));
    await here.finishSet(set);
    return set;
  }
  /** What a worker writes when a pull is done. */
  async function pulled(card?: Card): Promise<void> {
    await records().saveModelCard(TURBO_CARD, TURBO, FILES);
    if (card) await records().updatePull(card.follows!.id, { state: 'done', endedAt: new Date() });
  }
  afterEach(async () => {
    await records().chooseModel('default', { scope: 'all' });
    await records().removeModel(TURBO);
    await records().saveModelCard(MODEL);
    const open = await records().openPull(TURBO);
    if (open) await records().updatePull(open.id, { state: 'cancelled', endedAt: new Date() });
  });

  it('are listed with licence, disk, memory and time on this computer', async () => {
    const check = {
      at: '2026-11-30T12:00:00.000Z',
      device: 'cpu',
      hardware: 'Test',
      krona: '0.0.1',
      onnxruntime: '1.0.0',
      ok: true,
      speeds: { 'sd1 512': { step: 2, decoding: 4, training: 9, basis: 'measured' } },
    } as const;
    const computer = { device: 'cpu', drawnStep: null, check, memory: 8 * GIB } as const;
    await records().saveModelCard({ ...MODEL, computer });
    const { table, buttons, audience } = await room().say('boss', '/krona model list');
    expect(audience).toBe('caller');
    const row = (name: string) =>
      Object.fromEntries(
        table!.columns.map((column, n) => [column, table!.rows.find(([first]) => first === name)![n]]),
      );
    expect(row(MODEL.name)).toMatchObject({ state: 'in use here' });
    // The check measured this very model: 25 steps of 2 s and 4 s of decoding.
    expect(row('sd15')).toMatchObject({
      family: 'SD 1, 512²',
      'a picture': 'about 54 s (computed)',
      licence: 'CreativeML OpenRAIL-M',
      state: 'can be pulled',
    });
    expect(row('sdxl')).toMatchObject({ state: 'too large here' });
    expect(buttons!.map(({ action }) => action)).toContain('pull:bk-sdm-tiny');
    expect(buttons!.map(({ action }) => action)).not.toContain('pull:sdxl');
    expect((await room().say('ann', '/krona model list')).buttons).toBeUndefined();
  });

  it('are pulled by moderators, who accept each licence once; what they did is exported', async () => {
    const here = room();
    expect(await here.refusal('ann', `/krona model pull model:${TURBO}`)).toMatch(/^NOT_ALLOWED/);
    expect(await here.refusal('boss', '/krona model pull model:sd-turb')).toMatch(
      /^MODEL_NOT_IN_CATALOGUE: .*Did you mean “sd-turbo”/,
    );
    const question = await here.say('boss', `/krona model pull model:${TURBO}`);
    expect(question).toMatchObject({ title: 'Accept the licence of SD-Turbo?', audience: 'caller' });
    expect(question.text!.join()).toContain('https://stability.ai/license');
    expect(await records().openPull(TURBO)).toBeNull();
    const [accept] = question.buttons!;
    const queued = await here.press('boss', accept!.action);
    expect(queued).toMatchObject({ title: 'Download of SD-Turbo is queued', follows: { kind: 'pull' } });
    expect(await here.refusal('boss', `/krona model pull model:${TURBO}`)).toMatch(/^MODEL_PULLING/);
    const jobs = await records().outboxJobs(1000);
    expect(jobs).toContainEqual(
      expect.objectContaining({
        kind: 'pull',
        payload: { model: TURBO },
        owner: expect.anything() as unknown,
      }),
    );
    await records().updatePull(queued.follows!.id, {
      state: 'running',
      progress: { step: 512, steps: 2048, secondsLeft: 60, phase: 'downloading unet, MiB' },
    });
    expect((await here.card(queued)).progress).toMatchObject({ fraction: 0.25 });
    const queue = await here.say('ann', '/krona queue show');
    expect(queue.text!.join(' ')).toContain('SD-Turbo: pulling, 25%.');
    expect(await records().workload()).toContainEqual(
      expect.objectContaining({ kind: 'pull', state: 'running', count: 1 }),
    );
    const [cancel] = (await here.card(queued)).buttons!;
    await here.press('boss', cancel!.action);
    expect((await here.card(queued)).title).toBe('The download of SD-Turbo was cancelled');
    // The licence is accepted by now, for other moderators too.
    here.moderators.add('vice');
    const again = await here.say('vice', `/krona model pull model:${TURBO}`);
    expect(again.follows?.kind).toBe('pull');
    await pulled(again);
    expect((await here.card(again)).buttons).toEqual([expect.objectContaining({ action: `use:${TURBO}` })]);
    expect(await here.refusal('boss', `/krona model pull model:${TURBO}`)).toMatch(/^MODEL_PULLED/);
    const { member } = await here.actor('boss');
    const { pulls, licences } = await records().memberData(member.id);
    expect(pulls).toMatchObject([{ model: TURBO, state: 'cancelled' }]);
    expect(licences).toMatchObject([{ licence: 'stability-community' }]);
  });

  it('whose folder is KRONA_MODEL’s own are not pulled, by no button either', async () => {
    await records().saveModelCard({ ...MODEL, name: 'sd-turbo' });
    for (const action of [`pull:${TURBO}`, `accept:${TURBO}`]) {
      const card = await room().press('boss', action);
      expect(card).toMatchObject({ tone: 'error', fields: [{ value: 'MODEL_PULLED' }] });
    }
    expect(await records().openPull(TURBO)).toBeNull();
  });

  it('that do not fit the memory are refused with the numbers, before a download and before a use', async () => {
    const computer = { device: 'cpu', drawnStep: null, check: null, memory: 2 * GIB } as const;
    await records().saveModelCard({ ...MODEL, computer });
    const needed = (memoryNeeded(catalogueModel(TURBO), computer) / GIB).toFixed(1);
    const told = new RegExp(`^MODEL_TOO_LARGE: SD-Turbo needs about ${needed} GiB .* has 2.0 GiB`);
    expect(await room().refusal('boss', `/krona model pull model:${TURBO}`)).toMatch(told);
    await pulled();
    expect(await room().refusal('boss', `/krona model use model:${TURBO}`)).toMatch(told);
  });

  it('draw and train in the channel that chose them, with settings of their own', async () => {
    const [here, there] = [room(), room()];
    expect(await here.refusal('boss', `/krona model use model:${TURBO}`)).toMatch(
      /^MODEL_NOT_PULLED.*model pull/,
    );
    await pulled();
    await here.say('boss', '/krona settings sampling_steps:33');
    expect(await here.say('boss', `/krona model use model:${TURBO}`)).toMatchObject({
      title: 'SD-Turbo draws in this channel',
      tone: 'success',
    });
    // Those of a model for few steps.
    expect((await here.actor('ann')).channel).toMatchObject({
      model: TURBO,
      settings: { samplingSteps: 4, guidance: 1 },
    });
    await here.say('boss', '/krona settings sampling_steps:2');
    expect(await drawn(here, 'a fox')).toMatchObject({ model: TURBO, settings: { samplingSteps: 2 } });
    expect(await drawn(there, 'a fox')).toMatchObject({ model: 'default' });
    expect((await here.say('ann', '/krona model show')).title).toBe('SD-Turbo draws here');
    await here.say('boss', '/krona model use model:default');
    expect((await here.actor('ann')).channel).toMatchObject({
      model: 'default',
      settings: { samplingSteps: 33 },
    });
  });

  it('keep their adapters to themselves, and say so', async () => {
    const here = room();
    await pulled();
    const [before] = await here.trained('mochi', 'cat');
    expect(before!.model).toBe('default');
    const chosen = await here.say('boss', `/krona model use model:${TURBO}`);
    expect(chosen.text!.join()).toContain('mochi has none for SD-Turbo');
    expect(await here.refusal('ann', '/krona imagine mochi at sea')).toMatch(
      /^ADAPTER_OTHER_MODEL: The champion of mochi was trained on sdxl-like, and SD-Turbo draws here/,
    );
    const card = await here.say('ann', '/krona train subject:mochi', [await photo(2)]);
    const [after] = await here.finishRun(await here.run(card));
    expect(after!.model).toBe(TURBO);
    // The champion is still the first one's: the newest result for this model draws.
    expect((await drawn(here, 'mochi at sea')).adapterId).toBe(after!.id);
    await here.say('boss', '/krona model use model:default');
    expect((await drawn(here, 'mochi at sea')).adapterId).toBe(before!.id);
  });

  it('are not mixed by pictures that wait for a training', async () => {
    const here = room();
    const run = await here.run(await here.say('ann', '/krona train mochi class:cat', [await photo(1)]));
    await pulled();
    await here.say('boss', `/krona model use model:${TURBO}`);
    expect(await here.refusal('ann', '/krona imagine mochi at sea')).toMatch(
      /^ADAPTER_OTHER_MODEL: mochi was trained on sdxl-like, and SD-Turbo draws here/,
    );
    const [before] = await here.finishRun(run);
    const next = await here.run(await here.say('ann', '/krona train mochi'));
    const waiting = await here.set(await here.say('ann', '/krona imagine mochi at sea'));
    expect(waiting).toMatchObject({ model: TURBO, awaitsRunId: next.id });
    const [after] = await here.finishRun(next);
    // The champion stays, as when it is pinned.
    expect((await records().subject(run.subjectId))!.championId).toBe(before!.id);
    await releaseWaiting(records());
    expect(await records().set(waiting.id)).toMatchObject({ adapterId: after!.id, awaitsRunId: null });
    await records().deleteSet(waiting.id, 'By Ann.');
  });

  it('have their own settings in a duel, also when the channel changes its model meanwhile', async () => {
    const here = room();
    await pulled();
    const [first, second] = await here.trained('mochi', 'cat', [100, 200]);
    await here.say('boss', '/krona settings draw sampling_steps:11');
    await here.say('boss', `/krona model use model:${TURBO}`);
    const by = await here.actor('ann');
    const subject = (await records().subject(first!.subjectId))!;
    const duel = await records().transaction((within) =>
      openDuel(within, by, { subject, first: first!, second: second! }),
    );
    expect(duel.settings.samplingSteps).toBe(11);
  });

  it('are chosen for a server by who manages it, and for all by who runs Krona', async () => {
    await pulled();
    const place = (externalId: string) =>
      records().channel('discord', externalId, externalId, { serverId: 'club' });
    const [one, two] = [await place(randomUUID()), await place(randomUUID())];
    const model = async (id: string) => (await records().channelById(id))!.model;
    await records().chooseModel('default', { scope: 'channel', channelId: two.id });
    await records().chooseModel(TURBO, { scope: 'server', channelId: one.id });
    expect([await model(one.id), await model(two.id)]).toEqual([TURBO, TURBO]);
    await records().chooseModel('default', { scope: 'channel', channelId: two.id });
    expect([await model(one.id), await model(two.id)]).toEqual([TURBO, 'default']);
    const thread = await records().channel('discord', randomUUID(), 'thread', {
      serverId: 'club',
      parent: { externalId: two.externalId, name: two.name },
    });
    expect(thread.model).toBe('default');
    const here = room();
    expect(await here.refusal('boss', `/krona model use model:${TURBO} scope:server`)).toMatch(/^NO_SERVER/);
    await here.say('boss', `/krona model use model:${TURBO} scope:all`);
    expect([await model(two.id), (await here.actor('ann')).channel.model]).toEqual([TURBO, TURBO]);
  });

  it('are removed when nobody uses them; the worker’s own never', async () => {
    const here = room();
    await pulled();
    expect(await here.refusal('boss', '/krona model remove model:default')).toMatch(
      /^MODEL_IN_USE.*KRONA_MODEL/,
    );
    await here.say('boss', `/krona model use model:${TURBO}`);
    const set = await here.set(await here.say('ann', '/krona imagine a fox'));
    await here.say('boss', '/krona model use model:default');
    expect(await here.refusal('boss', `/krona model remove model:${TURBO}`)).toMatch(
      /^MODEL_IN_USE.*1 open job/,
    );
    await here.finishSet(set);
    expect((await here.say('boss', `/krona model remove model:${TURBO}`)).title).toBe('SD-Turbo is removed');
    expect(await records().modelCard(TURBO)).toBeNull();
    // Old pictures name it still.
    expect(await here.refusal('boss', `/krona model use model:${TURBO}`)).toMatch(/^MODEL_NOT_PULLED/);
  });

  it('that suit the computer are offered to moderators in an empty channel, until one is there', async () => {
    const here = room();
    const offer = async (name: string) => welcomeOf(await here.actor(name), here.context);
    const computer = { device: 'cpu', drawnStep: null, check: null, memory: 4 * GIB } as const;
    await records().saveModelCard({ ...MODEL, computer });
    expect(await offer('ann')).toBeNull();
    const card = (await offer('boss'))!;
    expect(card.buttons!.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['pull:bk-sdm-tiny']) as unknown,
    );
    expect(card.buttons!.map(({ action }) => action)).not.toContain('pull:sdxl');
    await pulled();
    expect(await offer('boss')).toBeNull();
  });
}
