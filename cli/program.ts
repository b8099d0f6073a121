/**
 * @file The commands of the `krona` program: finds the one that is asked for and loads only that, so help comes at
 * once. Every outcome leaves through here: 0, or an error with its code on stderr (with --json on stdout).
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { KronaError } from '../core/errors.ts';
import { reportError, type Shell } from './output.ts';
import type { Stream } from './progress.ts';

interface CommandModule {
  /** Gives a command its options, arguments and action (or its subcommands). */
  define(command: Command, shell: Shell): void;
}

interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'start',
    summary: 'run everything on this machine: chat, database and worker',
    load: () => import('./commands/start.ts'),
  },
  {
    name: 'bot',
    summary: 'serve the chat alone, beside workers elsewhere',
    load: () => import('./commands/bot.ts'),
  },
  {
    name: 'worker',
    summary: 'train and draw alone, for chats elsewhere',
    load: () => import('./commands/worker.ts'),
  },
  {
    name: 'train',
    summary: 'learn a subject from photos',
    load: () => import('./commands/train.ts'),
  },
  {
    name: 'imagine',
    summary: 'draw pictures of a prompt',
    load: () => import('./commands/imagine.ts'),
  },
  {
    name: 'adapter',
    summary: 'look into adapter files',
    load: () => import('./commands/adapter.ts'),
  },
  {
    name: 'model',
    summary: 'get models and look into them',
    load: () => import('./commands/model.ts'),
  },
  {
    name: 'discord',
    summary: 'make the commands known to Discord',
    load: () => import('./commands/discord.ts'),
  },
  {
    name: 'slack',
    summary: 'what a Slack app for Krona needs',
    load: () => import('./commands/slack.ts'),
  },
  {
    name: 'pretrain',
    summary: 'make the embedded model from drawings',
    load: () => import('./commands/pretrain.ts'),
  },
  {
    name: 'autoencoder',
    summary: "train and measure the embedded model's autoencoder",
    load: () => import('./commands/autoencoder.ts'),
  },
  {
    name: 'evaluate',
    summary: 'measure models and compare methods',
    load: () => import('./commands/evaluate.ts'),
  },
];

/** The program with every command named and the one in `words` complete. */
async function buildProgram(words: readonly string[], shell: Shell): Promise<Command> {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('krona')
    .description('Teaches an image model something of your own, and makes pictures with it.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => shell.stdout.write(text),
      writeErr: (text) => shell.stderr.write(text),
      // With --json, what commander would say is told by the one object on stdout.
      outputError: (text, write) => shell.json || write(text),
    })
    .showHelpAfterError(shell.json ? false : '(krona <command> --help tells more)');
  const [first, second] = words.filter((word) => !word.startsWith('-'));
  const wanted = first === 'help' ? second : first;
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).description(summary);
    if (name === wanted) (await load()).define(command, shell);
  }
  return program;
}

/** Runs the program. @returns the exit code: 0, 1 for an error, 2 for words that make no command, 130 when stopped */
export async function run(words: readonly string[], stdout: Stream, stderr: Stream): Promise<number> {
  const shell: Shell = { stdout, stderr, json: words.includes('--json'), exitCode: 0 };
  try {
    const program = await buildProgram(words, shell);
    await program.parseAsync(words, { from: 'user' });
    return shell.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, shell);
    // Help and version end here too, with 0. Otherwise commander has told people already.
    if (error.exitCode === 0) return 0;
    const message =
      error.code === 'commander.help' ? 'a command is missing' : error.message.replace(/^error: /, '');
    if (shell.json) reportError(new KronaError('USAGE', `${message}; see --help.`), shell);
    return 2;
  }
}
