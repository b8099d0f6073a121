/** @file `krona doctor`: looks at everything that an installation needs, and changes nothing. */
import type { Command } from 'commander';
import { readConfig, type Config } from '../../core/config.ts';
import { lookAtDevice, lookAtModels } from '../doctor/engine.ts';
import { look, type Finding } from '../doctor/finding.ts';
import {
  lookAtDisk,
  lookAtFolder,
  lookAtForms,
  lookAtPorts,
  lookAtVariables,
  lookAtVersions,
} from '../doctor/machine.ts';
import { lookAtDiscord, lookAtSlack } from '../doctor/platforms.ts';
import { lookAtBlobs, lookAtDatabase, lookAtRedis } from '../doctor/storage.ts';
import { action, type Outcome, type Shell } from '../output.ts';

export function define(doctor: Command, shell: Shell): void {
  doctor
    .option('--no-engine', 'leave out the model and the device, as on a machine that runs only the bot')
    .addHelpText('after', '\nEnvironment: all variables of bot and worker. No value of a secret is printed.');
  action(doctor, shell, async (io, { engine }: { engine: boolean }) => {
    const findings = [...lookAtVersions(), ...lookAtVariables()];
    const looks = [...LOOKS, ...(engine ? ENGINE_LOOKS : [])];
    let config: Config | null = null;
    findings.push(
      ...(await look('configuration', async () => {
        config = await readConfig(undefined, 'made up');
        return [];
      })),
    );
    if (config !== null)
      for (const [step, [part, find]] of looks.entries()) {
        io.progress.show({ phase: `checking ${part}`, step, steps: looks.length, secondsLeft: null });
        const known: Config = config;
        findings.push(...(await look(part, () => find(known))));
      }
    return outcomeOf(findings);
  });
}

type Look = readonly [part: string, find: (config: Config) => Promise<readonly Finding[]>];

const LOOKS: readonly Look[] = [
  ['data folder', lookAtFolder],
  ['compiled programs', lookAtForms],
  ['disk', lookAtDisk],
  ['ports', lookAtPorts],
  ['database', lookAtDatabase],
  ['queue', lookAtRedis],
  ['blobs', lookAtBlobs],
  ['discord', lookAtDiscord],
  ['slack', lookAtSlack],
];

const ENGINE_LOOKS: readonly Look[] = [
  ['model', lookAtModels],
  ['device', lookAtDevice],
];

/** The findings as a table; exit code 1 if one is an error. */
function outcomeOf(findings: readonly Finding[]): Outcome {
  const count = (state: Finding['state']) => findings.filter((each) => each.state === state).length;
  const [errors, warnings] = [count('error'), count('warning')];
  const widest = Math.max(...findings.map(({ part }) => part.length));
  const lines = findings.map(
    ({ part, state, text }) => `${MARKS[state].padEnd(7)}  ${part.padEnd(widest)}  ${text}`,
  );
  const end =
    errors === 0 && warnings === 0 ? 'Everything is fine.' : `${errors} errors, ${warnings} warnings.`;
  return {
    json: { ok: errors === 0, findings },
    text: [...lines, end].join('\n'),
    exitCode: errors === 0 ? 0 : 1,
  };
}

const MARKS: Readonly<Record<Finding['state'], string>> = { ok: 'ok', warning: 'warning', error: 'ERROR' };
