/** @file Subjects of a channel: names, tokens, and finding one by what a member typed. */
import { createHash, randomUUID } from 'node:crypto';
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import type { Adapter, Channel, Subject } from '../../core/records.ts';
import type { Records } from '../../storage/records.ts';
import type { Actor, CommandContext } from '../contract.ts';
import { suggestion } from '../../core/nearest.ts';
import { admitTexts } from '../rules/guard.ts';

/** Most characters of a subject's name. */
export const MAX_NAME = 32;
/** Most subjects of a channel, and of one member in it. */
const MOST_SUBJECTS_OF_CHANNEL = 300;
const MOST_SUBJECTS_OF_MEMBER = 50;
const NAME = /^[\p{L}\p{Nd}_-][\p{L}\p{M}\p{Nd}_-]*$/u;
/** A class can have several words: `guinea pig`. */
const CLASS = /^[\p{L}][\p{L}\p{M}\p{Nd}' -]*$/u;

/** @throws KronaError SUBJECT_NAME */
export function checkSubjectName(name: string): string {
  const normal = name.normalize('NFC');
  const length = [...normal].length;
  if (length > MAX_NAME || !NAME.test(normal))
    throw new KronaError(
      'SUBJECT_NAME',
      `A subject's name must be 1 to ${MAX_NAME} letters, digits, - or _, without spaces; ` +
        `you gave “${[...normal].slice(0, MAX_NAME).join('')}” (${length} characters). Try mochi or red_robot.`,
    );
  return normal;
}

/** Returns a class word in the form that prompts use; undefined for undefined. @throws KronaError CLASS_NAME */
export function checkClassName(className: string | undefined): string | undefined {
  if (className === undefined) return undefined;
  const normal = className.normalize('NFC').toLowerCase().replace(/\s+/g, ' ');
  if ([...normal].length > MAX_NAME || !CLASS.test(normal))
    throw new KronaError(
      'CLASS_NAME',
      `A class must be a common noun of at most ${MAX_NAME} letters, such as cat, robot or guinea pig; ` +
        `you gave “${[...normal].slice(0, MAX_NAME).join('')}”.`,
    );
  return normal;
}

/** Letters that combine to no word and few abbreviations: without vowels, no syllable has a meaning. */
const TOKEN_LETTERS = 'jkqvwxz';

/**
 * Returns a rare token for a new subject, such as `zqkv`: always the same for a name, and none of `taken` (tokens and
 * names of the channel's other subjects).
 */
export function tokenFor(name: string, taken: ReadonlySet<string>): string {
  for (let attempt = 0; ; attempt++) {
    const digest = createHash('sha256').update(`${name.toLowerCase()} ${attempt}`).digest();
    // 7·6³ = 1,512 tokens have four letters without repetition; after 50 attempts, tokens get longer.
    const length = 4 + Math.floor(attempt / 50);
    let token = '';
    for (let i = 0; i < length; i++) {
      const letters = [...TOKEN_LETTERS].filter((letter) => letter !== token.at(-1));
      token += at(letters, at(digest, i % digest.length) % letters.length);
    }
    if (!taken.has(token)) return token;
  }
}

/** Returns the token of a new subject. @param others the channel's other subjects */
function newToken(name: string, others: readonly Subject[]): string {
  return tokenFor(name, new Set(others.flatMap((other) => [other.token, other.name.toLowerCase()])));
}

export function classMissing(name: string): KronaError {
  return new KronaError(
    'CLASS_MISSING',
    `${name} is new here. Say what it is with a class, such as class:cat or class:robot.`,
  );
}

/**
 * Returns the subject of this name, and adds it if it is new. Call it inside a transaction.
 *
 * @param className - required for a new subject; must match the class of a known one
 * @throws KronaError CLASS_MISSING, CLASS_DIFFERS, PROMPT_REFUSED
 */
export async function ensureSubject(
  records: Records,
  actor: Actor,
  name: string,
  className: string | undefined,
): Promise<Subject> {
  const channelId = actor.channel.id;
  const known = await records.subjectByName(channelId, name);
  if (known) {
    if (className !== undefined && className !== known.className)
      throw new KronaError(
        'CLASS_DIFFERS',
        `${known.name} has the class ${known.className} here, not ${className}. Omit class, or choose another name.`,
      );
    return known;
  }
  if (className === undefined) throw classMissing(name);
  await admitTexts(records, actor, [name, className]);
  const others = await records.subjects(channelId);
  checkRoom(others, actor.member.id);
  const token = newToken(name, others);
  return records.addSubject({
    id: randomUUID(),
    channelId,
    name,
    className,
    token,
    ownerId: actor.member.id,
  });
}

/** @throws KronaError SUBJECTS_FULL when the channel or the member has as many subjects as allowed */
function checkRoom(subjects: readonly Subject[], memberId: string): void {
  const own = subjects.filter(({ ownerId }) => ownerId === memberId);
  for (const [who, list, most] of [
    ['You have', own, MOST_SUBJECTS_OF_MEMBER],
    ['This channel has', subjects, MOST_SUBJECTS_OF_CHANNEL],
  ] as const)
    if (list.length >= most)
      throw new KronaError(
        'SUBJECTS_FULL',
        `${who} ${list.length} subjects here; at most ${most} are allowed. Delete one with \`/krona delete\`, or add photos to one.`,
      );
}

/** Names for a message. */
function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none yet; `/krona train` makes one' : names.slice(0, 20).join(', ');
}

/** @throws KronaError SUBJECT_UNKNOWN with the nearest name */
export async function requireSubject(records: Records, channel: Channel, name: string): Promise<Subject> {
  const subject = await records.subjectByName(channel.id, name);
  if (subject) return subject;
  const names = (await records.subjects(channel.id)).map((each) => each.name);
  throw new KronaError(
    'SUBJECT_UNKNOWN',
    `This channel has no subject “${[...name].slice(0, MAX_NAME).join('')}”.${suggestion(name, names)} Subjects: ${listed(names)}.`,
  );
}

/** Completes a subject's name. */
export async function completeSubject(
  _typed: string,
  context: CommandContext,
  channel: Channel,
): Promise<readonly string[]> {
  return (await context.records.subjects(channel.id)).map((subject) => subject.name);
}

/** An adapter's name in chat: subject, step and the start of its id, such as `mochi-200-3fa9c1`. */
export function adapterName(subject: Pick<Subject, 'name'>, adapter: Pick<Adapter, 'id' | 'step'>): string {
  return `${subject.name}-${adapter.step}-${adapter.id.slice(0, 6)}`;
}

/** Returns the adapters of a channel, newest first, with subject and name. */
export async function namedAdapters(
  records: Records,
  channel: Channel,
): Promise<{ name: string; adapter: Adapter; subject: Subject }[]> {
  const subjects = new Map((await records.subjects(channel.id)).map((subject) => [subject.id, subject]));
  return (await records.adapters(channel.id)).flatMap((adapter) => {
    const subject = subjects.get(adapter.subjectId);
    return subject ? [{ name: adapterName(subject, adapter), adapter, subject }] : [];
  });
}

/** Finds an adapter by its name, or by its subject's name for the champion. @throws KronaError ADAPTER_UNKNOWN */
export async function requireAdapter(records: Records, channel: Channel, typed: string) {
  const all = await namedAdapters(records, channel);
  const wanted = typed.toLowerCase();
  const found =
    all.find((each) => each.name.toLowerCase() === wanted) ??
    all.find(
      (each) => each.subject.championId === each.adapter.id && each.subject.name.toLowerCase() === wanted,
    );
  if (found) return found;
  const names = all.map((each) => each.name);
  const list = names.length === 0 ? 'none yet' : names.slice(0, 10).join(', ');
  throw new KronaError(
    'ADAPTER_UNKNOWN',
    `This channel has no adapter “${typed.slice(0, 60)}”.${suggestion(typed, names)} Adapters: ${list}.`,
  );
}

/** Completes an adapter's name. */
export async function completeAdapter(
  _typed: string,
  context: CommandContext,
  channel: Channel,
): Promise<readonly string[]> {
  return (await namedAdapters(context.records, channel)).map((each) => each.name);
}
