/** @file `krona graph print`: a program of the engine as text, or as an ONNX file. */
import { Argument, type Command } from 'commander';
import { modelCard } from '../../gpu-worker/adapters/model-card.ts';
import { compiledGraph } from '../../gpu-worker/graph/compile.ts';
import { writeOnnxFile } from '../../gpu-worker/graph/onnx-file.ts';
import { printGraph } from '../../gpu-worker/graph/print.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { engineGraph, GRAPH_NAMES, type Graph, type GraphName } from '../engine-graphs.ts';
import { checked, modelOption } from '../options.ts';
import { action, type Shell } from '../output.ts';

interface Given {
  model: string;
  size?: number;
  onnx?: string;
}

export function define(command: Command, shell: Shell): void {
  const size = { name: 'size', description: 'Side of the pictures, pixels', type: 'integer' } as const;
  const print = command
    .command('print')
    .description('print a program as text, one line per tensor, as it is compiled')
    .addArgument(new Argument('<program>', 'program to print').choices(GRAPH_NAMES))
    .addOption(modelOption())
    .addOption(checked('--size <n>', { ...size, min: 8, max: 4096 }, "the model's size"))
    .option('--onnx <file>', 'write it as ONNX instead, with its weights in <file>.data');
  action(print, shell, async (_io, name: GraphName, given: Given) => {
    const model = await openModel(given.model);
    const graph = engineGraph(name, model, given.size ?? modelCard(model).nativeSize);
    if (given.onnx !== undefined) {
      const files = await writeOnnxFile(given.onnx, graph);
      return { json: { program: name, files }, text: files.join('\n') };
    }
    const text = printGraph(optimized(graph));
    return { json: { program: name, text }, text: text.trimEnd() };
  });
}

function optimized(graph: Graph): Graph {
  const tensors = compiledGraph(Object.values(graph), 'float32');
  return Object.fromEntries(
    Object.keys(graph).flatMap((name, i) => (tensors[i] ? [[name, tensors[i]]] : [])),
  );
}
