import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedDatabase, type EmbeddedDatabase } from '../../storage/embedded/database.ts';
import { readConfig } from '../../core/config.ts';
import { openStorage, type Storage } from '../../storage/open.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { until } from '../helpers/until.ts';
import { keepDeviceCheck } from '../../core/device-checks.ts';
import type { DeviceCheck } from '../../core/settings/computer.ts';
import { krona, kronaProcess, TINY } from './run-krona.ts';

const CHECK: DeviceCheck = {
  at: '2026-11-30T12:00:00.000Z',
  device: 'cpu',
  hardware: 'a test',
  krona: '0.0.1',
  onnxruntime: '1.0.0',
  ok: true,
  speeds: {},
};

let dataFolder: string;
let database: EmbeddedDatabase;
beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'krona-cli-bot-'));
  database = await startEmbeddedDatabase({ dataFolder });
});
afterAll(async () => {
  await database.close();
  await rm(dataFolder, { recursive: true });
});

describe('krona bot', () => {
  it('serves the chat at the address that it prints, until it is stopped', async () => {
    let page: Promise<Response> | undefined;
    const env = { KRONA_DATA: dataFolder, KRONA_PORT: '0' };
    const { code, stdout, stderr } = await kronaProcess(
      ['bot', '--json'],
      ({ stdout }, kill) => {
        if (page !== undefined || !stdout.endsWith('\n')) return;
        const { address } = JSON.parse(stdout) as { address: string };
        page = fetch(address);
        void page.finally(() => kill('SIGTERM'));
      },
      env,
    );
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'Stopping. Press Ctrl-C again to stop immediately.\n',
    });
    expect(JSON.parse(stdout)).toMatchObject({ address: expect.stringMatching(/^http:/) as string });
    expect((await page!).status).toBe(200);
  });

  it("says what to start when the embedded database isn't running", async () => {
    const env = { KRONA_DATA: join(dataFolder, 'elsewhere'), KRONA_PORT: '0' };
    const { code, stdout } = await kronaProcess(['bot', '--json'], undefined, env);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: {
        code: 'EMBEDDED_DATABASE_NOT_RUNNING',
        message: expect.stringContaining('krona start') as string,
      },
    });
  });
});

describe('krona worker', () => {
  it('names the missing model', async () => {
    const env = { KRONA_DATA: dataFolder, KRONA_MODEL: join(dataFolder, 'no-model') };
    const { code, stdout } = await kronaProcess(['worker', '--json'], undefined, env);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'MODEL_NOT_FOUND', message: expect.stringMatching(/no-model.*KRONA_MODEL/) as string },
    });
  });
});

describe('krona start', () => {
  it('runs chat, database and worker, replaces a dead worker, and stops all of them', async () => {
    const own = await mkdtemp(join(tmpdir(), 'krona-cli-start-'));
    const config = await readConfig({ KRONA_DATA: own });
    let seen: Promise<{ status: number; models: string[] }> | undefined;
    const look = async (address: string, log: () => string) => {
      const { status } = await fetch(address);
      const storage = await openStorage(config);
      const models: string[] = [];
      try {
        // A worker writes its model's card when it is ready; the second finds it gone and writes it again.
        for (const life of [1, 2]) {
          models.push((await cardOf(storage)).name);
          if (life === 2) break;
          await storage.records.saveModelCard(NO_MODEL);
          process.kill(processOf(log(), 'worker'), 'SIGKILL');
        }
      } finally {
        await storage.close();
      }
      return { status, models };
    };
    const env = { KRONA_DATA: own, KRONA_PORT: '0', KRONA_MODEL: TINY, KRONA_LOG: 'info' };
    await keepDeviceCheck(own, CHECK);
    const { code, stdout, stderr } = await kronaProcess(
      ['start', '--json'],
      (soFar, kill) => {
        if (seen !== undefined || !soFar.stdout.endsWith('\n')) return;
        seen = look((JSON.parse(soFar.stdout) as { address: string }).address, () => soFar.stderr);
        seen.then(
          () => kill('SIGTERM'),
          () => kill('SIGKILL'),
        );
      },
      env,
    );
    expect(await seen).toEqual({ status: 200, models: ['model', 'model'] });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      computer: 'a test (cpu), checked on 2026-11-30 with another version (stale).',
    });
    expect(stderr).toContain('the worker stopped unexpectedly');
    await expect(openStorage(config)).rejects.toMatchObject({ code: 'EMBEDDED_DATABASE_NOT_RUNNING' });
    await rm(own, { recursive: true });
  });
});

describe('krona start, ended early', () => {
  const settings = { KRONA_MODEL: TINY, KRONA_LOG: 'info' };

  it.each(['bot', 'worker'] as const)(
    'leaves nothing behind when the %s is only just starting',
    async (part) => {
      const house = await openServerHouse();
      const env = { ...house.environment, ...settings };
      let told = false;
      const { code, stdout, stderr } = await kronaProcess(
        ['start', '--json'],
        (soFar, kill) => {
          if (told || !soFar.stderr.includes(`starting the ${part}`)) return;
          told = true;
          kill('SIGTERM');
        },
        env,
      );
      expect(code).toBe(0);
      // Not after the start, but in the middle of it.
      if (part === 'bot') expect(stdout).toBe('');
      expect(() => process.kill(processOf(stderr, part), 0)).toThrow('ESRCH');
      await house.close();
    },
  );

  it('takes its children along when it is killed', async () => {
    const house = await openServerHouse();
    const env = { ...house.environment, ...settings };
    // Returns when the last of them has closed the log.
    const { code } = await kronaProcess(
      ['start', '--json'],
      (soFar, kill) => {
        if (soFar.stdout.endsWith('\n') && soFar.stderr.includes('Computing on')) kill('SIGKILL');
      },
      env,
    );
    expect(code).toBeNull();
    await house.close();
  });
});

describe('krona start with a public address', () => {
  it('restarts a dead bot on the same port', async () => {
    const house = await openServerHouse();
    const answers = (port: number) =>
      fetch(`http://127.0.0.1:${port}`).then(
        ({ status }) => status === 200,
        () => false,
      );
    let seen: Promise<void> | undefined;
    const look = async (port: number, log: () => string) => {
      process.kill(processOf(log(), 'bot'), 'SIGKILL');
      await until(async () => !(await answers(port)), 'the bot to be gone');
      await until(() => answers(port), 'the bot to be back');
    };
    const { code } = await kronaProcess(
      ['start', '--json'],
      (soFar, kill) => {
        if (seen !== undefined || !soFar.stdout.endsWith('\n')) return;
        const { port } = JSON.parse(soFar.stdout) as { port: number };
        seen = look(port, () => soFar.stderr);
        seen.then(
          () => kill('SIGTERM'),
          () => kill('SIGKILL'),
        );
      },
      {
        ...house.environment,
        KRONA_URL: 'https://krona.example.org',
        KRONA_MODEL: TINY,
        KRONA_LOG: 'info',
      },
    );
    await seen;
    expect(code).toBe(0);
    await house.close();
  });
});

/** Stands for no card at all: records keep one once there is one. */
const NO_MODEL: ModelCard = { name: '', architecture: '', nativeSize: 1, sizeMultiple: 1, projections: [] };

const cardOf = ({ records }: Storage): Promise<ModelCard> =>
  until(async () => {
    const card = await records.modelCard();
    return card?.name ? card : null;
  }, "a model's card");

/** The process of a service that a log of `krona start` names. */
function processOf(log: string, service: 'bot' | 'worker'): number {
  const line = log.split('\n').find((each) => each.includes(`starting the ${service}`)) ?? '';
  return (JSON.parse(line) as { pid: number }).pid;
}

describe("a folder that can't be created", () => {
  it.each([
    'pretrain --out model --run',
    'evaluate methods --out',
    'evaluate model --out',
    'imagine --prompt cat --out',
  ])('is named before krona %s starts', async (command) => {
    const file = join(dataFolder, 'a-file');
    await writeFile(file, '');
    const { code, stdout } = await krona(...command.split(' '), file, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: {
        code: 'FILE_UNWRITABLE',
        message: 'The folder a-file could not be made: a file has that name. Choose another folder.',
      },
    });
  });
});

describe('krona pretrain', () => {
  it('refuses a missing configuration', async () => {
    const folders = ['--run', join(dataFolder, 'run'), '--out', join(dataFolder, 'model')];
    const { code, stdout } = await krona('pretrain', '--config', 'none.json', ...folders, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'PRETRAIN_CONFIG', message: 'The pretraining configuration none.json does not exist.' },
    });
  });
});
