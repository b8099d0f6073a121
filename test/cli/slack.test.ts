import { describe, expect, it } from 'vitest';
import { krona } from './run-krona.ts';

interface Printed {
  readonly manifest: Record<string, Record<string, unknown>>;
  readonly link: string;
}

const manifestOf = async (...words: string[]): Promise<Printed> => {
  const { code, stdout } = await krona('slack', 'manifest', '--json', ...words);
  expect(code).toBe(0);
  return JSON.parse(stdout) as Printed;
};

describe('krona slack manifest', () => {
  it('requests only what is used, and its link contains it whole', async () => {
    const { manifest, link } = await manifestOf();
    expect(manifest['oauth_config']).toEqual({
      scopes: {
        bot: [
          'commands',
          'chat:write',
          'files:read',
          'files:write',
          'reactions:read',
          'reactions:write',
          'users:read',
        ],
        bot_optional: ['usergroups:read', 'channels:history', 'groups:history', 'groups:read'],
      },
    });
    expect(manifest['settings']).toMatchObject({
      socket_mode_enabled: true,
      interactivity: { is_enabled: true },
    });
    expect(JSON.stringify(manifest)).not.toContain('http');
    expect(JSON.parse(new URL(link).searchParams.get('manifest_json')!)).toEqual(manifest);
  });

  it('sends everything to one address over HTTP', async () => {
    const { manifest } = await manifestOf('--http', 'https://krona.example.org/');
    const addresses = [...JSON.stringify(manifest).matchAll(/"(\w*url)":"([^"]*)"/g)].map(([, name, url]) => [
      name,
      url,
    ]);
    const address = 'https://krona.example.org/slack/events';
    expect(addresses).toEqual([
      ['url', address],
      ['request_url', address],
      ['request_url', address],
      ['message_menu_options_url', address],
    ]);
    expect(manifest['settings']).toMatchObject({ socket_mode_enabled: false });
  });

  it("refuses an address that Slack doesn't send to", async () => {
    const { code, stderr } = await krona('slack', 'manifest', '--http', 'http://krona.example.org');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ADDRESS_INVALID: .*https/);
  });
});
