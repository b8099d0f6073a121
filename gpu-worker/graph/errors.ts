/** @file Errors of building a graph: always a mistake in a model's code or in a model's files, never a member's. */
import { KronaError } from '../../core/errors.ts';

export class GraphError extends KronaError {}
