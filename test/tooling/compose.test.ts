/** @file docker-compose.yml, as text: what it must never allow. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const compose = await readFile(new URL('../../docker-compose.yml', import.meta.url), 'utf8');

/** The lines of a service. */
const service = (name: string): string =>
  new RegExp(`^  ${name}:(?: &\\w+)?\n((?:    .*\n|\n)+)`, 'm').exec(compose)?.[1] ?? '';

it('starts only with passwords for PostgreSQL and Redis', () => {
  const passwords = [...compose.matchAll(/\$\{\w*PASSWORD(.*?)\}/g)].map(([, rest]) => rest);
  expect(passwords.length).toBeGreaterThan(3);
  for (const rest of passwords) expect(rest).toMatch(/^:\?/);
  expect(service('redis')).toContain('--requirepass ${REDIS_PASSWORD:?');
  expect(compose).toContain('redis://:${REDIS_PASSWORD:?');
});

it('gives the file of tokens only to the bot', () => {
  expect(service('bot')).toContain('env_file');
  expect(service('worker')).toContain('KRONA_MODEL');
  // The hub's is for the worker, which downloads models.
  expect(service('worker')).not.toMatch(/env_file|(?<!HF_)TOKEN:|SECRET|DISCORD|SLACK/);
  expect(compose.slice(0, compose.indexOf('services:'))).not.toContain('env_file');
});

it('publishes ports only on this machine', () => {
  const ports = [...compose.matchAll(/^ +- ([\d.:]+:\d+)$/gm)].map(([, port]) => port);
  expect(ports).toEqual(['127.0.0.1:7860:7860', '127.0.0.1:3000:3000']);
});

it('reserves the card only for the worker that is asked for by its profile', async () => {
  const dockerfile = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
  expect(service('worker-gpu')).toMatch(/profiles: \[gpu\]/);
  expect(service('worker-gpu')).toMatch(/target: gpu/);
  expect(service('worker-gpu')).toMatch(/driver: nvidia/);
  expect(service('worker')).not.toMatch(/nvidia|target/);
  expect(dockerfile).toMatch(/^FROM krona AS gpu$/m);
  expect(dockerfile.trimEnd()).toMatch(/^FROM krona$(?![\s\S]*\n)/m);
});
