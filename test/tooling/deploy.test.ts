/** @file Manifests and units of deploy/, as text: what they name exists, and nothing secret or open is in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VARIABLES } from '../../core/environment.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const files = readdirSync(join(ROOT, 'deploy'), { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.(ya?ml|service)$/.test(path))
  .map((path) => `deploy/${path}`);

const known: readonly string[] = VARIABLES;

it.each([...files, 'docker-compose.yml'])('%s sets only variables that Krona reads', (path) => {
  const named = [
    ...read(path).matchAll(/\b(?:KRONA|AWS|DISCORD|SLACK)_[A-Z0-9_]+|\b(?:DATABASE|REDIS)_URL\b/g),
  ];
  expect(named.map(([name]) => name).filter((name) => !known.includes(name))).toEqual([]);
});

describe('on Kubernetes', () => {
  const manifests = read('deploy/kubernetes/krona.yaml').split(/^---$/m);
  const of = (kind: string, name: string): string =>
    manifests.find((text) => text.includes(`kind: ${kind}\n`) && text.includes(`  name: ${name}\n`)) ?? '';

  it('only the bot has the tokens, and no key stands in a manifest', () => {
    expect(of('Deployment', 'krona-bot')).toMatch(/name: krona-bot\n[^]*secretRef:\n +name: krona-bot\n/);
    expect(of('Deployment', 'krona-worker')).not.toContain('krona-bot');
    expect(manifests.join()).not.toMatch(/kind: Secret\n|TOKEN:|_KEY:|_URL: (?:postgres|redis)/);
  });

  it('there is one bot, which is ready without a worker, and several workers', () => {
    expect(of('Deployment', 'krona-bot')).toMatch(/replicas: 1\n +strategy:\n +type: Recreate/);
    expect(of('Deployment', 'krona-bot')).toContain('/readyz?without=worker');
    expect(of('Deployment', 'krona-worker')).toMatch(/replicas: [2-9]/);
  });

  it('monitoring has a port of its own, which the service does not show', () => {
    const port = /KRONA_STATUS_PORT: '(\d+)'/.exec(of('ConfigMap', 'krona'))?.[1];
    for (const name of ['krona-bot', 'krona-worker'])
      expect(of('Deployment', name)).toMatch(new RegExp(`name: status\\n +containerPort: ${port}\\n`));
    expect(of('Service', 'krona-bot')).toContain('targetPort: chat');
    expect(of('Service', 'krona-bot')).not.toContain('status');
    expect(of('NetworkPolicy', 'krona')).toMatch(new RegExp(`from:[^]*port: ${port}`));
  });
});

describe('systemd units', () => {
  const units = files.filter((path) => path.endsWith('.service'));

  it.each(units)('%s runs a command of krona as its own user, in a folder of its own', (path) => {
    const text = read(path);
    expect(text).toMatch(/^ExecStart=\/usr\/bin\/env node \/opt\/krona\/bin\/krona\.js (start|bot|worker)$/m);
    const folder = /^StateDirectory=(\S+)$/m.exec(text)?.[1];
    expect(text).toContain(`Environment=KRONA_DATA=/var/lib/${folder}\n`);
    expect(text).toMatch(/^User=krona$/m);
    expect(text).toMatch(/^StateDirectoryMode=0700$/m);
  });

  it('a worker reads no file with tokens', () => {
    expect(read('deploy/systemd/krona-worker@.service')).not.toContain('krona.env');
  });
});
