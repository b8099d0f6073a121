/** @file Everything that needs the storage, in one file: it is opened once. */
import { afterAll, beforeAll, describe } from 'vitest';
import type { TestHouse } from '../helpers/house.ts';
import { openServerHouse } from '../helpers/server-house.ts';
import { completionSuite } from './completion.suite.ts';
import { deletionSuite } from './deletion.suite.ts';
import { duelSuite } from './duels.suite.ts';
import { drawingSuite } from './drawing.suite.ts';
import { MODEL } from './helpers.ts';
import { modelSuite } from './models.suite.ts';
import { editingSuite } from './editing.suite.ts';
import { promptsSuite } from './prompts.suite.ts';
import { refiningSuite } from './refining.suite.ts';
import { rulesSuite } from './rules.suite.ts';
import { settingsSuite } from './settings.suite.ts';
import { sweepSuite } from './sweeps.suite.ts';
import { trainingSuite } from './training.suite.ts';
import { votingSuite } from './voting.suite.ts';

let house: TestHouse;
const storage = () => house.storage;

beforeAll(async () => {
  house = await openServerHouse();
  await storage().records.saveModelCard(MODEL);
});
afterAll(() => house?.close());

describe('training', () => trainingSuite(storage));
describe('settings', () => settingsSuite(storage));
describe('drawing', () => drawingSuite(storage));
describe('prompts', () => promptsSuite(storage));
describe('editing', () => editingSuite(storage));
describe('voting', () => votingSuite(storage));
describe('refining', () => refiningSuite(storage));
describe('duels', () => duelSuite(storage));
describe('sweeps', () => sweepSuite(storage));
describe('rules', () => rulesSuite(storage));
describe('models', () => modelSuite(storage));
describe('deletion', () => deletionSuite(storage));
describe('completion', () => completionSuite(storage));
