/** The log of services: errors as an administrator needs them, and nothing that opens a door. */
import { DiscordAPIError } from 'discord.js';
import { afterEach, expect, it, vi } from 'vitest';
import { createLog } from '../../cli/log.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** What the log has of an error. */
function logged(error: unknown): string {
  const lines: string[] = [];
  const log = createLog('bot', { write: (line) => void lines.push(line) });
  log.warn({ error }, 'could not show a message');
  return lines.join('');
}

it('says what an error is, and leaves out the request that a client keeps with it', () => {
  const raw = { code: 10015, message: 'Unknown Webhook' };
  const body = {
    files: [{ name: 'fox.png', data: Buffer.alloc(1024 ** 2) }],
    json: { content: 'for dora alone' },
  };
  const url = 'https://discord.com/api/v10/webhooks/42/aW50ZXJhY3Rpb246c2VjcmV0/messages/@original';
  const line = logged(new DiscordAPIError(raw, 10015, 404, 'PATCH', url, body));
  expect(JSON.parse(line)).toMatchObject({
    part: 'bot',
    msg: 'could not show a message',
    error: { type: 'DiscordAPIError', code: 10015, status: 404, message: 'Unknown Webhook' },
  });
  expect(line).toContain('log.test.ts');
  expect(line).not.toMatch(/aW50ZXJh|dora|fox\.png/);
  // A picture that could not be posted would be written byte by byte.
  expect(line.length).toBeLessThan(10_000);
});

it('leaves out what Redis was told when it refused a password', () => {
  const refused = Object.assign(new Error('WRONGPASS invalid username-password pair'), {
    command: { name: 'auth', args: ['hush'] },
  });
  expect(logged(new Error('no queue', { cause: refused }))).toContain('no queue: WRONGPASS');
  expect(logged(refused)).not.toContain('hush');
});

it.each([
  ['KRONA_SECRET', 'a/secret+of=ours"\\', ['a/secret+of=ours"\\', 'a%2Fsecret%2Bof%3Dours%22%5C']],
  ['KRONA_ACCESS_KEY', 'key-of-ann-1234, key-of-bob-1234', ['key-of-ann-1234', 'key-of-bob-1234']],
  ['DATABASE_URL', 'postgres://krona:long%2Bpassword@db/krona', ['long+password', 'long%2Bpassword']],
  ['HF_TOKEN', 'hf_0123456789', ['hf_0123456789']],
  [
    'what no variable has',
    '',
    ['xoxb-of-another-workspace', `krona_${'a'.repeat(43)}`, 'http://user:hush@host/'],
  ],
])('hides %s where a server or library repeats it', (name, value, secrets) => {
  vi.stubEnv(name, value);
  for (const secret of secrets) {
    const line = logged(new Error('refused', { cause: new Error(`no: ${secret}, sorry`) }));
    const { error } = JSON.parse(line) as { error: { message: string } };
    expect(error.message).toMatch(/^refused: no: .*\[secret\].*, sorry$/);
    expect(error.message).not.toContain(secret);
  }
});
