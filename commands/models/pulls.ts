/** @file Downloads models for all: asks for the licence once, queues a pull, cancels it. The worker downloads. */
import { randomUUID } from 'node:crypto';
import { catalogueModel, type CatalogueModel } from '../../core/catalogue.ts';
import { KronaError } from '../../core/errors.ts';
import type { Pull } from '../../core/records.ts';
import { requireMemory } from '../../core/settings/model-needs.ts';
import { hasEnded } from '../../core/work-state.ts';
import type { Records } from '../../storage/records.ts';
import type { Card } from '../card.ts';
import { loadCard } from '../cards/load-card.ts';
import type { Actor, CommandContext } from '../contract.ts';
import { note } from '../rules/audit.ts';
import { requireOwner } from '../rules/permission.ts';
import { requireModel } from './known-models.ts';
import { licenceCard } from './model-cards.ts';

/** @throws KronaError MODEL_PULLED, MODEL_PULLING, MODEL_TOO_LARGE */
async function checkPull(records: Records, { name, title }: CatalogueModel): Promise<void> {
  if ((await records.modelCard(name)) !== null)
    throw new KronaError(
      'MODEL_PULLED',
      `${title} is here already. Use it: \`/krona model use model:${name}\`.`,
    );
  if ((await records.openPull(name)) !== null)
    throw new KronaError(
      'MODEL_PULLING',
      `${title} is already being downloaded. \`/krona model list\` says how far it is.`,
    );
  requireMemory(catalogueModel(name), (await records.modelCard())?.computer);
}

async function startPull(records: Records, actor: Actor, { name, title }: CatalogueModel): Promise<Pull> {
  const { channel, member } = actor;
  const pull = await records.addPull({
    id: randomUUID(),
    channelId: channel.id,
    memberId: member.id,
    model: name,
  });
  await records.addPost({ id: randomUUID(), channelId: channel.id, kind: 'pull', targetId: pull.id });
  await records.addOutboxJob({ id: pull.id, kind: 'pull', payload: { model: name } });
  await note(records, actor, 'model', `pulled ${title}`, { targetId: pull.id });
  return pull;
}

/** A model of the catalogue, whose folder is not KRONA_MODEL's. @throws KronaError MODEL_NOT_IN_CATALOGUE, MODEL_PULLED */
async function otherModel(records: Records, typed: string): Promise<CatalogueModel> {
  const model = await requireModel(records, typed);
  if (model !== null) return model;
  throw new KronaError(
    'MODEL_PULLED',
    'That is the worker’s own model (KRONA_MODEL), which is here already.',
  );
}

/**
 * Queues a pull, or asks for the licence first.
 *
 * @throws KronaError MODEL_NOT_IN_CATALOGUE, MODEL_PULLED, MODEL_PULLING, MODEL_TOO_LARGE
 */
export async function askToPull(typed: string, actor: Actor, context: CommandContext): Promise<Card> {
  const model = await otherModel(context.records, typed);
  const pull = await context.records.transaction(async (records) => {
    await checkPull(records, model);
    const accepted = await records.acceptedLicence(model.licence.name);
    return accepted && startPull(records, actor, model);
  });
  return pull === null
    ? licenceCard(model, await context.records.modelCard())
    : loadCard('pull', pull.id, context);
}

/** Records that a moderator accepts a model's licence, and queues its pull. @throws KronaError as askToPull */
export async function acceptAndPull(name: string, actor: Actor, context: CommandContext): Promise<Card> {
  const model = await otherModel(context.records, name);
  const pull = await context.records.transaction(async (records) => {
    await checkPull(records, model);
    await records.acceptLicence(model.licence.name, actor.member.id);
    await note(records, actor, 'model', `accepted ${model.licence.title} for ${model.title}`);
    return startPull(records, actor, model);
  });
  return loadCard('pull', pull.id, context);
}

/** Cancels a pull of this channel. @returns null if the id is no pull's @throws KronaError NOT_ALLOWED, WORK_ENDED */
export async function cancelPull(id: string, actor: Actor, context: CommandContext): Promise<Card | null> {
  const pull = await context.records.pull(id);
  if (pull?.channelId !== actor.channel.id) return null;
  requireOwner(actor, [pull.memberId], 'cancel this download');
  await context.records.transaction(async (records) => {
    const now = await records.pull(id);
    if (now === null || hasEnded(now))
      throw new KronaError(
        'WORK_ENDED',
        `There is nothing to cancel: this job is already ${now?.state ?? 'deleted'}.`,
      );
    await records.updatePull(id, { state: 'cancelled', endedAt: new Date() });
  });
  // The worker sees within a second that the record has ended, also while the queue is away.
  await context.jobs.cancel('pull', id).catch((error: unknown) => {
    if (!(error instanceof KronaError && error.retryable)) throw error;
  });
  return loadCard('pull', id, context);
}
