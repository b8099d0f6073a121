/** @file `/krona model`: the models that this installation can draw with, and which one draws where. */
import { catalogue } from '../../core/catalogue.ts';
import { DEFAULT_MODEL } from '../../core/settings/model-card.ts';
import type { Card } from '../card.ts';
import type { Actor, CommandContext, Invocation } from '../contract.ts';
import { action, commandOf } from '../define.ts';
import { chooseModel, removeModel, SCOPES } from './choose-model.ts';
import { completeCatalogue, completeKnown, MODEL_OPTION, offers } from './known-models.ts';
import { listCard, showCard, welcomeCard } from './model-cards.ts';
import { askToPull } from './pulls.ts';

async function list({ channel, moderator }: Invocation<unknown>, { records }: CommandContext): Promise<Card> {
  const usual = await records.modelCard();
  return listCard(await offers(records, usual), { inUse: channel.model, usual, moderator });
}

async function show({ channel }: Invocation<unknown>, { records }: CommandContext): Promise<Card> {
  const { model: name, settings } = channel;
  const known = (await records.models()).find((each) => each.name === name);
  const adapters = (await records.adapters(channel.id)).filter(({ model }) => model === name);
  const model = name === DEFAULT_MODEL ? null : catalogue().models.find((each) => each.name === name);
  return showCard(model ?? null, known?.card ?? null, {
    usual: await records.modelCard(),
    settings,
    commit: known?.pulled?.commit ?? null,
    adapters: adapters.length,
  });
}

/** Returns what a moderator is offered in an empty channel; null: nothing. */
export async function welcomeOf(
  { channel, moderator }: Actor,
  { records }: CommandContext,
): Promise<Card | null> {
  if (!moderator) return null;
  const usual = await records.modelCard();
  return welcomeCard(await offers(records, usual), { inUse: channel.model, usual });
}

export const model = commandOf(
  {
    name: 'model',
    description: 'Models: list, download, choose',
    example: '/krona model use model:sd-turbo',
  },
  [
    action({ name: 'list', description: 'What each needs here', options: [] }, list),
    action({ name: 'show', description: 'The model of this channel', options: [] }, show),
    action(
      {
        name: 'pull',
        description: 'Download one',
        options: [{ ...MODEL_OPTION, complete: completeCatalogue }],
        needs: 'moderator',
      },
      async (invocation, context) => askToPull(invocation.options.model, invocation, context),
    ),
    action(
      {
        name: 'use',
        description: 'Draw and train with one',
        options: [
          { ...MODEL_OPTION, complete: completeKnown },
          { name: 'scope', description: 'Where (default: channel)', type: 'text', choices: SCOPES },
        ],
        needs: 'moderator',
      },
      async (invocation, context) =>
        chooseModel(invocation.options.model, invocation.options.scope ?? 'channel', invocation, context),
    ),
    action(
      {
        name: 'remove',
        description: 'Delete one that nobody uses',
        options: [{ ...MODEL_OPTION, complete: completeKnown }],
        needs: 'moderator',
      },
      async (invocation, context) => removeModel(invocation.options.model, invocation, context),
    ),
  ],
);
