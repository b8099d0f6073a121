/** @file Errors of building a graph: always a mistake in a model's code or files, never a member's. */
import { KronaError } from '../../core/errors.ts';

export class GraphError extends KronaError {}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
