/** @file The order of a queue, as BullMQ runs it: by priority, then by arrival. */
import { expect, it } from 'vitest';
import { FIRST_ROUND, Order, type Placed } from '../../storage/jobs/turns.ts';

/** A queue by hand. Jobs are named after channel and member: `a1` is a job of member a, `x.b2` of b in channel x. */
class Line {
  #waiting: Placed[] = [];
  #active: Placed[] = [];
  readonly ran: string[] = [];

  add(...ids: string[]): void {
    for (const id of ids) {
      const [member = '', channel = 'here'] = id.replace(/\d+$/, '').split('.').toReversed();
      const owner = { channelId: channel, memberId: member };
      const order = new Order([...this.#waiting, ...this.#active]);
      order.place(id, owner);
      const { added, moved } = order.changes();
      // BullMQ puts a job whose priority changes behind others of that priority.
      const changed = new Set(moved.map((job) => job.id));
      this.#waiting = [...this.#waiting.filter((job) => !changed.has(job.id)), ...moved, ...added];
    }
    this.#waiting.sort((one, other) => one.round - other.round);
  }

  get order(): string {
    return this.#waiting.map(({ id }) => id).join(' ');
  }

  /** Starts the next job. */
  start(): string {
    const job = this.#waiting.shift()!;
    this.#active.push({ ...job, active: true });
    this.ran.push(job.id);
    return job.id;
  }

  end(id: string): void {
    this.#active = this.#active.filter((job) => job.id !== id);
  }
}

const many = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}${n + 1}`);

it('keeps the order of arrival of one member, and of members with one job each', () => {
  const line = new Line();
  line.add('a1', 'a2', 'a3');
  expect(line.order).toBe('a1 a2 a3');
  const others = new Line();
  others.add('a1', 'x.b1', 'c1', 'y.d1');
  expect(others.order).toBe('a1 x.b1 y.d1 c1');
});

it('takes turns by member within a channel', () => {
  const line = new Line();
  line.add(...many('a', 4), 'b1', 'b2', 'c1');
  expect(line.order).toBe('a1 b1 c1 a2 b2 a3 a4');
});

it('takes turns by channel, for any number of members', () => {
  const line = new Line();
  line.add('a1', 'b1', 'c1', 'a2', 'x.d1', 'x.d2');
  expect(line.order).toBe('a1 x.d1 b1 x.d2 c1 a2');
});

it("lets a newcomer go next while another member's first of many jobs runs", () => {
  const line = new Line();
  line.add(...many('a', 26));
  line.start();
  line.add('b1');
  expect(line.order.split(' ').slice(0, 3)).toEqual(['b1', 'a2', 'a3']);
  line.add('x.c1', 'x.c2');
  expect(line.order.split(' ').slice(0, 5)).toEqual(['x.c1', 'b1', 'x.c2', 'a2', 'a3']);
});

it('gives nobody the turns that they missed', () => {
  const line = new Line();
  line.add(...many('a', 20));
  for (let n = 0; n < 10; n++) line.end(line.start());
  line.start();
  line.add('b1', 'b2', 'b3');
  expect(line.order.split(' ').slice(0, 5)).toEqual(['b1', 'a12', 'b2', 'a13', 'b3']);
});

it.each([
  ['of one channel', ''],
  ['of other channels', 'x.'],
])('never lets a stream of single jobs, by members %s, delay the next of many', (_, prefix) => {
  const line = new Line();
  line.add(...many('a', 5));
  const first = line.start();
  // Three members, each of whom asks again as soon as the last is done.
  const polite = ['b', 'c', 'd'].map((name) => prefix + name);
  for (const name of polite) line.add(`${name}1`);
  line.end(first);
  for (let n = 2; n < 30; n++) {
    const id = line.start();
    line.end(id);
    if (!id.startsWith('a')) line.add(`${id.replace(/\d+$/, '')}${n}`);
  }
  const turns = line.ran.flatMap((id, index) => (id.startsWith('a') ? [index] : []));
  expect(turns).toHaveLength(5);
  for (const [n, turn] of turns.slice(1).entries()) expect(turn - turns[n]!).toBeLessThanOrEqual(5);
});

it('takes turns when several workers run jobs', () => {
  const line = new Line();
  line.add(...many('a', 10));
  const running = [line.start(), line.start(), line.start()];
  line.add(...many('b', 4));
  for (let n = 0; n < 9; n++) {
    line.end(running.shift()!);
    running.push(line.start());
  }
  expect(line.ran.slice(3, 10)).toEqual(['b1', 'a4', 'b2', 'a5', 'b3', 'a6', 'b4']);
});

it('ignores a job that is retried out of turn', () => {
  const owner = { channelId: 'here', memberId: 'a' };
  const again = { id: 'a1', owner, active: false, turn: 1, round: FIRST_ROUND - 1 };
  const next = { id: 'a9', owner, active: false, turn: 9, round: 20 };
  const order = new Order([again, next]);
  order.place('b1', { channelId: 'x', memberId: 'b' });
  expect(order.changes()).toMatchObject({ added: [{ turn: 1, round: 20 }], moved: [] });
});
