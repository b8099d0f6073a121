/** @file What a channel does with Krona, the same on every platform. The worker is played: it writes what a worker writes. */
import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Computer } from '../../core/settings/computer.ts';
import type { WorkerFacts } from '../../core/workers.ts';
import type { PlayedWorker } from '../bot/world.ts';
import { MODEL } from '../commands/helpers.ts';
import type { ChatDriver, ChatMember } from './driver.ts';
import { drawings, photosOf } from './pictures.ts';
import { eventually, playedChannel } from './played-channel.ts';

/** Scenarios that cannot be on a platform, each with the reason. */
export type Skips = Partial<Record<'votes while the bot is away' | 'photos shown to one member', string>>;

export function runChatScenarios(name: string, open: () => Promise<ChatDriver>, skips: Skips = {}): void {
  describe(`a channel on ${name}`, () => {
    const scene = playedChannel(open);
    const {
      message,
      whisper,
      drawnSet,
      channel,
      openRun,
      openSet,
      standing,
      saying,
      votesOn,
      photographed,
      learnt,
      imagined,
    } = scene;
    let chat: ChatDriver;
    let worker: PlayedWorker;
    let mia: ChatMember;
    let ben: ChatMember;
    let zoe: ChatMember;
    let boss: ChatMember;
    beforeAll(() => {
      ({ chat, worker, mia, ben, zoe, boss } = scene.opened());
    });

    it('collects photos from several members for one subject', async () => {
      await photographed('mochi');
      await ben.givePhotos('mochi', 'cat', await photosOf('ben', ['#d9f0d0', '#f3d3dd']));
      await message(/mochi now has 4 of at most 20 photos/);
      await ben.run('/krona photos list subject:mochi');
      const list = await whisper(ben, '4 photos of mochi');
      expect(list.pictures).toBe(4);
      expect(list.text).toContain('Mia');
    });

    it('tells how long a picture takes: by the check first, then by pictures that were drawn', async () => {
      const { records } = chat.storage;
      const computer = (drawnStep: number | null): Computer => ({
        device: 'cuda',
        drawnStep,
        check: {
          at: '2026-11-30T12:00:00.000Z',
          device: 'cuda',
          hardware: 'NVIDIA Test',
          krona: '0.0.1',
          onnxruntime: '1.0.0',
          ok: true,
          stale: true,
          speeds: { 'sdxl 128': { step: 1, decoding: 3, training: 2, basis: 'measured' } },
        },
      });
      const { samplingSteps } = (await channel()).settings;
      await records.saveModelCard({ ...MODEL, computer: computer(null) });
      await ben.run('/krona queue show');
      const checked = await whisper(ben, `About ${samplingSteps + 3} s a picture`);
      expect(checked.text).toMatch(/measured by .?krona device check.? on 2026-11-30 with another version/);
      await records.saveModelCard({ ...MODEL, computer: computer(2) });
      await ben.run('/krona queue show');
      await whisper(ben, `About ${2 * samplingSteps} s a picture, measured on the last pictures`);
      await records.saveModelCard(MODEL);
    });

    it('tells which workers there are, and that a training goes on elsewhere when one stopped', async () => {
      const { records } = chat.storage;
      await photographed('nori');
      await mia.run('/krona train subject:nori');
      const run = await openRun('nori');
      await ben.run('/krona queue show');
      await whisper(ben, 'No worker is running, so jobs wait.');
      const facts = (doing: WorkerFacts['doing']): WorkerFacts => ({
        id: randomUUID(),
        host: 'secret-host',
        version: '0.1.0',
        device: 'cuda:0',
        memory: 2 ** 36,
        models: ['sdxl'],
        adapters: [],
        doing,
        state: 'working',
      });
      const workers = [facts([{ kind: 'train', id: run.id }]), facts([])];
      for (const each of workers) await records.saveWorker(each);
      await ben.run('/krona queue show');
      const shown = await whisper(ben, '2 workers.');
      expect(shown.text).toContain('cuda:0, 64.0 GiB: trains an adapter; cuda:0, 64.0 GiB: free.');
      expect(shown.text).not.toContain('secret-host');
      for (const { id } of workers) await records.removeWorker(id);

      await worker.progress(run, 50, 30);
      const learning = await message(/Training nori[^]*10%/);
      await worker.progress(run, 41, 40, { resumed: { step: 40, elsewhere: true } });
      const moved = await message('The worker stopped. Training goes on from step 40 on another worker.');
      expect(moved.id).toBe(learning.id);
      await worker.adapter(run, run.settings.steps, true);
      await worker.finish(run);
      expect((await message('nori is trained')).text).not.toContain('stopped');
    });

    it('trains in one updating message: position, percent, time left, samples, file; the result is another', async () => {
      await photographed('miso');
      await mia.run('/krona train subject:miso');
      const waiting = await message(/Training of miso is queued/);
      expect(waiting.buttons).toContain('Cancel');
      const run = await openRun('miso');
      expect(run.photoHashes).toHaveLength(2);
      const before = (await chat.messages()).length;

      await worker.progress(run, 50, 30);
      const learning = await message(/Training miso[^]*10%[^]*30 s left/);
      expect(learning.id).toBe(waiting.id);
      const early = await worker.adapter(run, 100, false);
      await worker.picturesOfRun(run, 'samples', early, await drawings(2));
      await eventually(async () => expect((await message('Training miso')).pictures).toBe(2));
      await ben.press(await message('Training miso'), 'Samples');
      const samples = await whisper(ben, 'Samples of miso');
      expect(samples.pictures).toBe(2);
      expect(samples.text).toContain('step 100');
      await ben.press(await message('Training miso'), 'Settings');
      expect((await whisper(ben, 'Settings of this training')).text).toContain(String(run.settings.lr));

      const last = await worker.adapter(run, run.settings.steps, true);
      await worker.picturesOfRun(run, 'finals', last, await drawings(2), [early, last]);
      await worker.finish(run);
      const told = await eventually(async () => {
        const seen = await message('miso is trained');
        expect(seen.pictures).toBe(0);
        expect(seen.files.join()).toContain('.safetensors');
        return seen;
      });
      expect(told.id).toBe(waiting.id);
      await eventually(async () => expect((await message('Which miso is the best')).pictures).toBe(2));
      expect((await chat.messages()).length).toBe(before + 1);
    });

    it("chooses the champion by three members' votes, and announces it once", async () => {
      const { run, grid } = await learnt('kuro');
      const { records } = chat.storage;
      const champion = async () => (await records.subject(run.subjectId))!.championId;
      const before = await champion();
      // The picture of the earlier checkpoint.
      for (const member of [ben, zoe, boss]) await member.vote(grid, 1);
      const news = await message(/is the new champion of kuro/);
      expect(news.pictures).toBe(1);
      expect(await saying('new champion of kuro')).toHaveLength(1);
      expect(await champion()).not.toBe(before);
    });

    it('draws a named subject with it, and anybody can draw the set again', async () => {
      await learnt('shiro');
      const { set, shown } = await imagined(ben, 'shiro in the rain');
      expect(set.adapterId).not.toBeNull();
      expect(shown.buttons).toEqual(
        expect.arrayContaining(['Vary 1', 'Vary 2', 'Again', 'Details', 'Delete']),
      );
      await zoe.press(shown, 'Details');
      await whisper(zoe, String(set.seed));
      await zoe.press(shown, 'Again');
      const again = await openSet('shiro in the rain');
      expect(again.prompt).toBe(set.prompt);
      expect(again.seed).not.toBe(set.seed);
      await worker.draw(again, await drawings(2));
      await eventually(async () => {
        const both = (await saying('shiro in the rain')).filter(({ pictures }) => pictures === 2);
        expect(both).toHaveLength(2);
      });
    });

    it('shows what the next picture looks like so far, and keeps nothing of it', async () => {
      const { records } = chat.storage;
      const files = await chat.files();
      await ben.run('/krona imagine a slow snail count:2');
      const set = await openSet('a slow snail');
      const [first, second] = await drawings(2, 15);
      await worker.look(set, 0, first!);
      const seeing = (words: string, preview: string | null) =>
        eventually(async () => {
          const seen = await message(words);
          expect([seen.preview, seen.pictures]).toEqual([preview, 0]);
          return seen;
        });
      await seeing('a slow snail', 'Picture 1 so far');
      await worker.draw(set, [first!, second!]);
      expect((await drawnSet('a slow snail')).preview).toBeNull();
      await eventually(async () => expect(await chat.files()).toBe(files + 2));

      await mia.run('/krona imagine a slower snail count:2');
      const dropped = await openSet('a slower snail');
      await worker.look(dropped, 0, second!);
      await mia.press(await seeing('a slower snail', 'Picture 1 so far'), 'Cancel');
      await seeing('a slower snail', null);
      for (const { id } of [set, dropped]) expect(await records.preview(id)).toBeNull();
      await eventually(async () => expect(await chat.files()).toBe(files + 2));
    });

    it('reads what members type into prompts, and draws each alternative', async () => {
      await mia.run('/krona style save name:ink prompt:"ink drawing"');
      await message('Style ink saved');
      await ben.run('/krona imagine a {red|blue} (heron:1.3) --no fish --seed 5 --style ink');
      const set = await openSet('heron');
      expect(set).toMatchObject({
        prompt: 'a {red|blue} (heron:1.3), ink drawing',
        negative: 'fish',
        seed: 5,
        count: 2,
      });
      await ben.run('/krona imagine a {red|blue|green|pink|white} heron');
      await whisper(ben, 'at most 4 are allowed');
      await worker.draw(set, await drawings(2));
    });

    it('begins with a picture of the channel, and draws a part of a photo again', async () => {
      const { set: first, shown } = await imagined(mia, 'a plain gull');
      await ben.remix(shown, 2, 'a gull of gold');
      const remixed = await openSet('a gull of gold');
      const { records, blobs } = chat.storage;
      const [, second] = await records.pictures(first.id);
      const pixels = (png: Uint8Array) => sharp(png).removeAlpha().raw().toBuffer();
      const { start } = remixed;
      expect(start).toMatchObject({ maskHash: null, change: 0.8 });
      expect(await pixels(await blobs.get(start!.blobHash!))).toEqual(
        await pixels(await blobs.get(second!.blobHash)),
      );
      const [photo] = await photosOf('gull', ['#cfe3f7']);
      await zoe.edit(photo!, 'a gull at sea', 'left');
      const edited = await openSet('a gull at sea');
      const mask = await sharp(await blobs.get(edited.start!.maskHash!)).stats();
      expect(mask.channels[0]!.mean).toBeCloseTo(127.5, 0);
      await zoe.edit(photo!, 'a gull at home', 'inside');
      // A form has a list in place of what was typed.
      await whisper(zoe, /must be one of left, right|has no transparent part/);
      for (const each of [remixed, edited]) await worker.draw(each, await drawings(2));
    });

    it('downloads a model for a moderator who accepts its licence, and draws with it', async () => {
      const { records } = chat.storage;
      await ben.run('/krona model pull model:bk-sdm-tiny');
      await whisper(ben, 'Only moderators');
      await boss.run('/krona model list');
      expect((await whisper(boss, 'BK-SDM')).text).toMatch(/CreativeML OpenRAIL-M/);
      await boss.run('/krona model pull model:bk-sdm-tiny');
      const asked = await whisper(boss, 'Accept the licence of BK-SDM-Tiny?');
      expect(asked.text).toContain('stable-diffusion-license');
      await boss.press(asked, 'Accept and pull');
      const waiting = await message('Download of BK-SDM-Tiny is queued');
      const { id } = (await records.openPull('bk-sdm-tiny'))!;
      const progress = { step: 500, steps: 2000, secondsLeft: 40, phase: 'downloading unet, MiB' };
      await records.updatePull(id, { state: 'running', progress });
      const running = await message(/Downloading BK-SDM-Tiny[^]*25%/);
      expect(running.id).toBe(waiting.id);
      await records.saveModelCard({ ...MODEL, name: 'bk-sdm-tiny' }, 'bk-sdm-tiny', {
        commit: 'c0ffee',
        bytes: 1e9,
      });
      await records.updatePull(id, { state: 'done', progress: null, endedAt: new Date() });
      await boss.press(await message('BK-SDM-Tiny is ready'), 'Use here');
      await message('BK-SDM-Tiny draws in this channel');
      await ben.run('/krona imagine a tiny otter');
      const set = await openSet('a tiny otter');
      expect(set.model).toBe('bk-sdm-tiny');
      await worker.draw(set, await drawings(set.count));
      await boss.run('/krona model use model:default');
      await message('sdxl-like draws in this channel');
      await boss.run('/krona model remove model:bk-sdm-tiny');
      await message('BK-SDM-Tiny is removed');
    });

    it('draws in few steps with a speed file of the worker', async () => {
      const { records } = chat.storage;
      await records.saveModelCard({ ...MODEL, speeds: [{ name: 'lcm-lora', steps: 4, guidance: 1 }] });
      await boss.run('/krona settings draw speed:turbo-lora');
      await whisper(boss, /Choose lcm-lora, or none/);
      await boss.run('/krona settings draw speed:lcm-lora');
      await message(/speed[^]*none → lcm-lora/);
      await ben.run('/krona imagine a quick lynx count:2');
      const set = await openSet('a quick lynx');
      expect(set.settings).toMatchObject({ speed: 'lcm-lora', samplingSteps: 4, guidance: 1 });
      await worker.draw(set, await drawings(2));
      await ben.press(await drawnSet('a quick lynx'), 'Details');
      await whisper(ben, 'lcm-lora');
      await boss.run('/krona settings draw speed:none');
      await message(/speed[^]*lcm-lora → none/);
      await records.saveModelCard(MODEL);
    });

    it('draws two subjects, each in its place, as asked', async () => {
      await learnt('aoi');
      await learnt('beni');
      await ben.run('/krona imagine aoi above beni split:top-bottom count:2');
      const set = await openSet('aoi above beni');
      expect(set).toMatchObject({ settings: { split: 'top-bottom' } });
      expect(set.alsoAdapterIds).toHaveLength(1);
      await worker.draw(set, await drawings(2));
      await ben.press(await drawnSet('aoi above beni'), 'Details');
      await whisper(ben, /one above the other/);
    });

    it('enlarges a picture by a network where the channel has that', async () => {
      const { shown } = await imagined(mia, 'a lantern');
      await boss.run('/krona settings draw upscale:x2');
      await message(/upscale[^]*redraw → x2/);
      await ben.press(shown, 'Upscale 2');
      const set = await openSet('a lantern');
      expect(set).toMatchObject({ kind: 'upscale', settings: { upscale: 'x2' } });
      await worker.draw(set, await drawings(1));
      await eventually(async () => {
        const enlarged = (await saying('a lantern')).find(({ pictures }) => pictures === 1);
        expect(enlarged?.buttons).toContain('Details');
        await ben.press(enlarged!, 'Details');
      });
      await whisper(ben, /enlarged to twice its size/);
      await boss.run('/krona settings draw upscale:redraw');
      await message(/upscale[^]*x2 → redraw/);
    });

    it('enlarges a picture that a member attaches, as long as pictures last', async () => {
      const kay = await chat.member('Kay');
      const [photo] = await photosOf('vase', ['#d9f0d0']);
      await kay.upscale(photo!, 'x2');
      const set = await openSet('a picture');
      expect(set).toMatchObject({ kind: 'upscale', settings: { upscale: 'x2', size: '300x300' } });
      await worker.draw(set, await drawings(1, 75));
      const shown = await eventually(async () => {
        const seen = await message('Upscaled: a picture');
        expect(seen.pictures).toBe(1);
        return seen;
      });
      expect(shown.buttons).not.toContain('Again');
      await ben.press(shown, 'Details');
      await whisper(ben, 'a picture that was sent, enlarged to twice its size');
      await boss.run('/krona rules set member_pictures:1');
      await whisper(boss, 'Rules changed');
      await kay.upscale(photo!, 'x4');
      await whisper(kay, 'QUOTA_EXCEEDED');
      await boss.run('/krona rules set member_pictures:0');
      await whisper(boss, /1 → no limit/);
    });

    it('draws faster where the channel prefers that to exact pictures', async () => {
      await boss.run('/krona settings draw quality:fast');
      await message(/quality[^]*exact → fast/);
      const { set, shown } = await imagined(ben, 'a swift');
      expect(set.settings.quality).toBe('fast');
      await zoe.press(shown, 'Details');
      expect((await whisper(zoe, String(set.seed))).text).toMatch(/quality[^]*fast/);
      await boss.run('/krona settings draw quality:exact');
      await message(/quality[^]*fast → exact/);
      expect((await imagined(ben, 'a slower swift')).set.settings.quality).toBe('exact');
    });

    it('makes a picture an emoji, shown only to the member who asked', async () => {
      const { shown } = await imagined(mia, 'a kite');
      const before = (await chat.messages()).length;
      await ben.press(shown, 'Emoji 2');
      const made = await whisper(ben, 'Picture 2 as an emoji');
      expect(made.pictures).toBe(1);
      expect(made.text).toMatch(/128×128 pixels/);
      expect((await chat.messages()).length).toBe(before);
    });

    it('ranks by votes; a removed vote no longer counts', async () => {
      await learnt('nori');
      const { set, shown } = await imagined(ben, 'nori asleep');
      await mia.vote(shown, 1);
      await zoe.vote(shown, 2);
      await zoe.vote(shown, 2, false);
      // Comes after hers was taken back.
      await boss.vote(shown, 1);
      await eventually(async () => expect((await votesOn(set)).toSorted()).toEqual(['Boss 1', 'Mia 1']));
      await mia.run('/krona top subject:nori');
      const top = await message(/Best pictures[^]*nori/);
      expect(top.text).toContain('nori asleep');
    });

    it('shows a member the pictures of the channel, searched and page by page', async () => {
      const { set, shown: owls } = await imagined(mia, 'a copper owl', 4);
      await imagined(ben, 'a newt of copper and tin', 4);
      await ben.run('/krona imagine a copper mole count:2');
      const moles = await openSet('a copper mole');
      await worker.draw(moles, await drawings(2), [], [1]);
      const before = (await chat.messages()).length;
      const page = (words: string | RegExp, pictures: number, buttons: readonly string[]) =>
        eventually(async () => {
          const seen = (await zoe.whispers()).at(-1)!;
          expect(seen.text).toMatch(words);
          expect([seen.pictures, seen.buttons]).toEqual([pictures, buttons]);
          return seen;
        });
      // Four owls, four newts, and the mole that isn't hidden.
      await zoe.run('/krona gallery COPP');
      const first = await page(/with “COPP”[^]*a copper mole · Ben/, 6, ['Older']);
      await zoe.press(first, 'Older');
      const second = await page(/a copper owl · Mia/, 3, ['Newer']);
      await zoe.press(second, 'Newer');
      await page(/a copper mole · Ben/, 6, ['Older']);
      await zoe.run('/krona gallery tin newt');
      await page(/a newt of copper and tin/, 4, []);

      await ben.vote(owls, 2);
      await mia.vote(owls, 3);
      await eventually(async () => expect((await votesOn(set)).toSorted()).toEqual(['Ben 2', 'Mia 3']));
      await zoe.run('/krona gallery copper member:Mia votes:1');
      // Mia's vote is on a picture that she asked for.
      await page(/a copper owl · Mia · 1 vote/, 1, []);
      await mia.press(owls, 'Delete');
      await eventually(async () => expect(await chat.storage.records.set(set.id)).toBeNull());
      await zoe.run('/krona gallery copper');
      await page(/with “copper”/, 5, []);
      await zoe.run('/krona gallery copper subject:nobody');
      await whisper(zoe, 'SUBJECT_UNKNOWN');
      expect((await chat.messages()).length).toBeLessThanOrEqual(before);
    });

    const away = skips['votes while the bot is away'];
    it.skipIf(away !== undefined)(
      `counts votes from while the bot was offline${away === undefined ? '' : ` (${away})`}`,
      async () => {
        const { set, shown } = await imagined(zoe, 'a tram');
        await mia.vote(shown, 1);
        await eventually(async () => expect(await votesOn(set)).toEqual(['Mia 1']));
        await chat.stopBot();
        await ben.vote(shown, 2);
        await mia.vote(shown, 1, false);
        await chat.startBot();
        await eventually(async () => expect(await votesOn(set)).toEqual(['Ben 2']));
      },
    );

    it('changes settings in public; invalid ones are reported only to the caller', async () => {
      const before = (await chat.messages()).length;
      await mia.run('/krona settings train a1:7');
      await whisper(mia, /a1=7 does not divide/);
      expect((await chat.messages()).length).toBe(before);
      await mia.run('/krona settings draw guidance:4');
      await eventually(async () => expect((await channel()).settings.guidance).toBe(4));
      await eventually(async () => expect((await chat.messages()).length).toBe(before + 1));
      expect((await chat.messages()).at(-1)!.text).toMatch(/guidance[^]*4/);
    });

    it('lets only the requester and moderators cancel or delete', async () => {
      await mia.run('/krona imagine a stoat');
      const waiting = await eventually(async () => {
        const seen = await message('a stoat');
        expect(seen.buttons).toContain('Cancel');
        return seen;
      });
      await ben.press(waiting, 'Cancel');
      await whisper(ben, 'NOT_ALLOWED');
      await mia.press(waiting, 'Cancel');
      await message(/a stoat[^]*Cancelled/);

      const { shown } = await imagined(zoe, 'a weasel');
      await mia.press(shown, 'Delete');
      await whisper(mia, 'NOT_ALLOWED');
      await boss.press(shown, 'Delete');
      await eventually(async () => expect(await standing()).not.toContain(shown.id));
    });

    it('tells a member over the quota when they can continue; moderators have no quota', async () => {
      const kim = await chat.member('Kim');
      await boss.run('/krona rules set member_pictures:3');
      await whisper(boss, 'Rules changed');
      await imagined(kim, 'a bird');
      await kim.run('/krona imagine a fish count:2');
      const refused = await whisper(kim, 'QUOTA_EXCEEDED');
      expect(refused.text).toMatch(/You can request 3 pictures in an hour. Try again in .* UTC/);
      expect(await saying('a fish')).toEqual([]);
      await imagined(boss, 'a whale', 4);
      await boss.run('/krona rules set member_pictures:0');
      await whisper(boss, /3 → no limit/);
    });

    it('lets only allowed members train, and tells others privately', async () => {
      await photographed('goma');
      await boss.run('/krona rules roles right:train who:moderators');
      await whisper(boss, /who can train: everyone → moderators/);
      const before = (await chat.messages()).length;
      await mia.run('/krona train subject:goma');
      await whisper(mia, /Only moderators can train here[^]*NOT_ALLOWED/);
      expect((await chat.messages()).length).toBe(before);
      await boss.run('/krona rules roles right:train who:everyone');
      await whisper(boss, /who can train: moderators → everyone/);
    });

    it('answers buttons on messages from before a restart', async () => {
      const { shown } = await imagined(mia, 'a harbour');
      await chat.stopBot();
      await chat.startBot();
      await ben.press(shown, 'Again');
      await worker.draw(await openSet('a harbour'), await drawings(2));
      await eventually(async () =>
        expect((await saying('a harbour')).filter(({ pictures }) => pictures === 2)).toHaveLength(2),
      );
    });

    it('pings nobody, whatever members type', async () => {
      const prompt = 'a cat @everyone <!channel> <@U1> <@1> & **bold** `code`';
      await zoe.run(`/krona imagine ${prompt}`);
      const set = await openSet('a cat @everyone');
      await worker.draw(set, await drawings(2));
      await drawnSet('a cat @everyone');
      expect(await chat.pinged()).toEqual([]);
    });

    it('reports all bad photos in one answer, and keeps the good ones', async () => {
      const [good] = await photosOf('good', ['#ffeeaa']);
      await zoe.givePhotos('bobi', 'dog', [good!, { name: 'note.png', bytes: Buffer.from('not a picture') }]);
      const told = await whisper(zoe, 'note.png');
      expect(told.text).toMatch(/1 of 2 photos kept/);
      await message(/1 photo of bobi added/);
    });

    it("deletes a subject's posts from the platform with the subject", async () => {
      const before = await chat.files();
      const { run, told, grid } = await learnt('tofu', 10);
      const { set: first, shown: hill } = await imagined(zoe, 'tofu on a hill', 2, 30);
      const { set: second, shown: sea } = await imagined(zoe, 'tofu by the sea', 2, 40);
      const { set: third, shown: asleep } = await imagined(zoe, 'tofu asleep', 2, 60);
      for (const shown of [hill, sea, asleep]) await mia.vote(shown, 1);
      for (const set of [first, second, third])
        await eventually(async () => expect(await votesOn(set)).toEqual(['Mia 1']));
      await mia.run('/krona top subject:tofu');
      const best = await message(/Best pictures[^]*tofu/);
      expect(best.pictures).toBe(3);
      expect(await chat.files()).toBeGreaterThan(before);

      const bestNow = async () => (await chat.messages()).find(({ id }) => id === best.id)!;
      await zoe.press(asleep, 'Delete');
      await eventually(async () => {
        const { text, pictures } = await bestNow();
        for (const words of ['tofu on a hill', 'tofu by the sea']) expect(text).toContain(words);
        expect(text).not.toContain('tofu asleep');
        expect(pictures).toBe(2);
      });

      await chat.deleteThere?.(sea);
      await chat.limitDeletion?.();
      await mia.run('/krona delete tofu');
      await mia.press(await whisper(mia, 'Delete tofu?'), 'Delete tofu');
      await message('tofu is deleted');
      await eventually(async () => {
        for (const { id } of [told, grid, hill, sea]) expect(await standing()).not.toContain(id);
        const { text, pictures } = await bestNow();
        expect(text).toContain('This ranking is empty');
        expect([text.includes('tofu'), pictures]).toEqual([false, 0]);
        // Files of earlier messages can go meanwhile.
        expect(await chat.files()).toBeLessThanOrEqual(before);
      });
      expect(await chat.storage.records.run(run.id)).toBeNull();
    });

    it('deletes after a restart what was deleted while the bot was offline', async () => {
      const before = await chat.files();
      const { set, shown } = await imagined(zoe, 'a lone owl', 2, 50);
      await chat.stopBot();
      await chat.storage.records.deleteSet(set.id, 'By Zoe.');
      await chat.startBot();
      await eventually(async () => {
        expect(await standing()).not.toContain(shown.id);
        expect(await chat.files()).toBe(before);
      });
    });

    const alone = skips['photos shown to one member'];
    it.skipIf(alone !== undefined)(
      `removes photos that a member deleted${alone === undefined ? '' : ` (${alone})`}`,
      async () => {
        const lea = await chat.member('Lea');
        // No other subject has these: a file stays while any photo with its bytes does.
        await mia.givePhotos('yuzu', 'cat', await photosOf('mia', ['#8fb3d7', '#d7b288']));
        await message('2 photos of yuzu added');
        await lea.givePhotos('yuzu', 'cat', await photosOf('lea', ['#99c090', '#c393ad']));
        await message(/yuzu now has 4 of at most/);
        await mia.run('/krona photos list subject:yuzu');
        expect((await whisper(mia, '4 photos of yuzu')).pictures).toBe(4);
        const before = await chat.files();
        await lea.run('/krona privacy delete');
        await lea.press(await whisper(lea, 'Delete your photos and votes?'), 'Delete forever');
        await whisper(lea, 'Your photos and votes are deleted');
        await eventually(async () => expect(await chat.files()).toBe(before - 2));
        await mia.run('/krona photos remove subject:yuzu photo:1');
        await eventually(async () => expect(await chat.files()).toBe(before - 3));
      },
    );

    it('deletes a subject for its creator, after a confirmation', async () => {
      await zoe.givePhotos('rex', 'dog', await photosOf('zoe', ['#ffeeaa']));
      await message(/1 photo of rex added/);
      await mia.run('/krona delete rex');
      await whisper(mia, /Only the owner of rex/i);
      await zoe.run('/krona delete rex');
      const asked = await whisper(zoe, 'Delete rex?');
      await zoe.press(asked, 'Delete rex');
      await message('rex is deleted');
      expect(await chat.storage.records.subjectByName((await channel()).id, 'rex')).toBeNull();
    });
  });
}
