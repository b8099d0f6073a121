/** What the engine's events bring is stored in their order, and a failure ends it. */
import { expect, it } from 'vitest';
import { InOrder } from '../../gpu-worker/jobs/in-order.ts';

/** A task that ends when it is told to. */
function gated() {
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  return { gate, open };
}

it('runs one task after another, however long each takes', async () => {
  const order: string[] = [];
  const tasks = new InOrder();
  const slow = gated();
  tasks.add(async () => {
    order.push('first begins');
    await slow.gate;
    order.push('first ends');
  });
  tasks.add(async () => void order.push('second'));
  const done = tasks.done();
  slow.open();
  await done;
  expect(order).toEqual(['first begins', 'first ends', 'second']);
});

it('is done at once when there is nothing to do', async () => {
  await expect(new InOrder().done()).resolves.toBeUndefined();
});

it('reports the first failure through its signal and at the end, and starts nothing after it', async () => {
  const order: string[] = [];
  const tasks = new InOrder();
  const full = new Error('the disk is full');
  tasks.add(async () => void order.push('kept'));
  tasks.add(() => Promise.reject(full));
  tasks.add(async () => void order.push('never'));
  tasks.add(() => Promise.reject(new Error('another')));
  expect(tasks.signal.aborted).toBe(false);
  await expect(tasks.done()).rejects.toBe(full);
  expect(tasks.signal.reason).toBe(full);
  expect(order).toEqual(['kept']);
});
