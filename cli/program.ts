/**
 * @file The commands of the `krona` program. Only the module of the command that is asked for is loaded, so that help is
 * fast. Every error ends here, with its code on stderr (with --json on stdout).
 */
import { existsSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { KronaError } from '../core/errors.ts';
import { version } from '../core/package.ts';
import { reportError, type Shell } from './output.ts';
import type { Stream } from './progress.ts';

interface CommandModule {
  /** Adds options, arguments and an action, or subcommands. */
  define(command: Command, shell: Shell): void;
}

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
  /** Works with lab/, which only a checkout has. */
  readonly lab?: true;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'start',
    summary: 'run chat, database and worker on this machine',
    load: () => import('./commands/start.ts'),
  },
  {
    name: 'bot',
    summary: 'run only the chat; workers run elsewhere',
    load: () => import('./commands/bot.ts'),
  },
  {
    name: 'worker',
    summary: 'run only a worker; the chat runs elsewhere',
    load: () => import('./commands/worker.ts'),
  },
  {
    name: 'blobs',
    summary: 'copy photos, pictures and adapters to a bucket, a folder or PostgreSQL',
    load: () => import('./commands/blobs.ts'),
  },
  {
    name: 'doctor',
    summary: 'check configuration, storage, tokens, model and device',
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'backup',
    summary: 'save the database and all files in a folder, while Krona runs',
    load: () => import('./commands/backup.ts'),
  },
  {
    name: 'restore',
    summary: 'bring a backup back into an empty installation',
    load: () => import('./commands/restore.ts'),
  },
  {
    name: 'upgrade',
    summary: 'check what an upgrade to this release changes',
    load: () => import('./commands/upgrade.ts'),
  },
  {
    name: 'train',
    summary: 'train an adapter on photos of a subject',
    load: () => import('./commands/train.ts'),
  },
  {
    name: 'sweep',
    summary: 'train a grid of settings, and keep the best',
    load: () => import('./commands/sweep.ts'),
  },
  {
    name: 'imagine',
    summary: 'draw pictures of a prompt',
    load: () => import('./commands/imagine.ts'),
  },
  {
    name: 'upscale',
    summary: 'enlarge a picture to two or four times its size',
    load: () => import('./commands/upscale.ts'),
  },
  {
    name: 'adapter',
    summary: 'inspect and convert adapter files',
    load: () => import('./commands/adapter.ts'),
  },
  {
    name: 'model',
    summary: 'download and check models',
    load: () => import('./commands/model.ts'),
  },
  {
    name: 'device',
    summary: 'check what this computer computes on, and how fast',
    load: () => import('./commands/device.ts'),
  },
  {
    name: 'graph',
    summary: 'print the programs that the engine runs',
    load: () => import('./commands/graph.ts'),
  },
  {
    name: 'discord',
    summary: 'register the commands with Discord',
    load: () => import('./commands/discord.ts'),
  },
  {
    name: 'slack',
    summary: 'print the manifest of the Slack app',
    load: () => import('./commands/slack.ts'),
  },
  {
    name: 'pretrain',
    summary: 'train the embedded model from scratch',
    load: () => import('./commands/pretrain.ts'),
    lab: true,
  },
  {
    name: 'autoencoder',
    summary: "train and measure the embedded model's autoencoder",
    load: () => import('./commands/autoencoder.ts'),
    lab: true,
  },
  {
    name: 'evaluate',
    summary: 'evaluate models and compare training methods',
    load: () => import('./commands/evaluate.ts'),
    lab: true,
  },
];

const hasLab = existsSync(new URL('../lab', import.meta.url));

/** The program with every command named and the one in `words` complete. */
async function buildProgram(words: readonly string[], shell: Shell): Promise<Command> {
  const program = new Command('krona')
    .description('Train an image model on your own subjects, and draw pictures with it.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => shell.stdout.write(text),
      writeErr: (text) => shell.stderr.write(text),
      // With --json, the one object on stdout says it.
      outputError: (text, write) => shell.json || write(text),
    })
    .showHelpAfterError(shell.json ? false : "(see 'krona <command> --help')");
  const [first, second] = words.filter((word) => !word.startsWith('-'));
  const wanted = first === 'help' ? second : first;
  for (const { name, summary, load, lab } of COMMANDS) {
    if (lab && !hasLab) continue;
    const command = program.command(name).description(summary);
    if (name === wanted) (await load()).define(command, shell);
  }
  return program;
}

/** Runs the program. @returns the exit code: 0, 1 for an error, 2 for invalid usage, 130 when stopped */
export async function run(words: readonly string[], stdout: Stream, stderr: Stream): Promise<number> {
  const shell: Shell = { stdout, stderr, json: words.includes('--json'), exitCode: 0 };
  try {
    const program = await buildProgram(words, shell);
    await program.parseAsync(words, { from: 'user' });
    return shell.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, shell);
    // Help and version end here too, with 0. Otherwise commander has printed the error already.
    if (error.exitCode === 0) return 0;
    const message =
      error.code === 'commander.help' ? 'missing command' : error.message.replace(/^error: /, '');
    if (shell.json) reportError(new KronaError('USAGE', `${message}. See --help.`), shell);
    return 2;
  }
}
