/** @file A graph as text, one line for each tensor, for people and for tests that pin small graphs. */
import { reachable, type Node, type Tensor } from './tensor.ts';

/** Numbered from %0 in order of creation, so that equal graphs print alike. */
export function printGraph(outputs: Readonly<Record<string, Tensor>>): string {
  const number = new Map<Tensor, number>();
  const lines = reachable(Object.values(outputs)).map((node) => {
    number.set(node, number.size);
    const inputs = node.inputs.map((x) => ` %${number.get(x)}`).join('');
    return `%${number.get(node)} ${node.dtype}[${node.shape.join(',')}] = ${node.primitive}${describe(node)}${inputs}`;
  });
  const ends = Object.entries(outputs).map(([name, tensor]) => `${name}: %${number.get(tensor)}`);
  return `${lines.join('\n')}\nreturn ${ends.join(', ')}\n`;
}

function describe(node: Node): string {
  switch (node.primitive) {
    case 'input':
    case 'weight':
      return ` "${node.params.name}"`;
    case 'constant': {
      const { data } = node.params;
      return data.length <= 4 ? ` (${data.join(', ')})` : ` (${data.slice(0, 4).join(', ')}, …)`;
    }
    case 'reshape':
    case 'broadcast':
      return ''; // the shape says it
    default: {
      const params = Object.entries(node.params).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
      return params.length ? ` {${params.join(' ')}}` : '';
    }
  }
}
