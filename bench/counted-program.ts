/** @file A program with a known number of operations: compiled and counted from the same graph. */
import { compile, type Program } from '../gpu-worker/graph/compile.ts';
import type { Tensor } from '../gpu-worker/graph/tensor.ts';
import { countFlops } from '../gpu-worker/graph/flops.ts';

export interface CountedProgram {
  readonly program: Program;
  /** Floating-point operations of one run. */
  readonly flops: number;
}

export const countedProgram = (outputs: Readonly<Record<string, Tensor>>): CountedProgram => ({
  program: compile(outputs),
  flops: countFlops(outputs),
});
