/** @file Runs one measurement in this process, for run.ts; the arguments are its name and the context as JSON. */
import type { Context } from './context.ts';
import { MEASURES } from './measures.ts';

const [name, context] = process.argv.slice(2) as [string, string];
const measure = await MEASURES[name]!();
const measured = await measure(JSON.parse(context) as Context);
process.send!(measured, () => process.disconnect());
