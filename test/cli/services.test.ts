import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedDatabase, type EmbeddedDatabase } from '../../storage/embedded/database.ts';
import { krona, kronaProcess } from './run-krona.ts';

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
    expect(stderr).toBe('Stopping; press again to end at once.\n');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ address: expect.stringMatching(/^http:/) as string });
    expect((await page!).status).toBe(200);
  });

  it('says what to start when the embedded database is not there', async () => {
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

describe('krona pretrain', () => {
  it('refuses a recipe that is not there', async () => {
    const folders = ['--run', join(dataFolder, 'run'), '--out', join(dataFolder, 'model')];
    const { code, stdout } = await krona('pretrain', '--config', 'none.json', ...folders, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'PRETRAIN_CONFIG' } });
  });
});
