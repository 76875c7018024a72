import { expect, it } from 'vitest';
import { Lanes } from '../../../src/core/consuming/lanes.js';

interface Task {
  readonly name: string;
  readonly key: string | undefined;
}

const task = (name: string, key?: string): Task => ({ name, key });

function lanesOf(limit: number, onBegin: (task: Task) => void = () => {}) {
  const begun: string[] = [];
  const lanes = new Lanes<Task>(limit, (one) => {
    begun.push(one.name);
    onBegin(one);
  });
  return { lanes, begun };
}

it('begins as many as there are places, the rest as places come free, in the order they came', () => {
  const { lanes, begun } = lanesOf(2);
  for (const name of ['a', 'b', 'c', 'd']) lanes.enter(task(name));
  expect(begun).toEqual(['a', 'b']);
  lanes.free();
  expect([begun, lanes.waiting, lanes.running]).toEqual([['a', 'b', 'c'], 1, 2]);
});

it('holds back what has the key of another that is not through', () => {
  const { lanes, begun } = lanesOf(9);
  const first = task('a1', 'a');
  for (const one of [first, task('a2', 'a'), task('b1', 'b'), task('x')]) lanes.enter(one);
  expect(begun).toEqual(['a1', 'b1', 'x']);
  lanes.free(); // its handler is over, its fate is not
  expect(begun).toEqual(['a1', 'b1', 'x']);
  lanes.advance(first);
  expect(begun).toEqual(['a1', 'b1', 'x', 'a2']);
});

it('gives the place of one that rests to others, and keeps its key', () => {
  const { lanes, begun } = lanesOf(1);
  const first = task('a1', 'a');
  lanes.enter(first);
  lanes.enter(task('a2', 'a'));
  lanes.enter(task('b1', 'b'));
  lanes.free();
  expect(begun).toEqual(['a1', 'b1']);
  lanes.again(first);
  lanes.free();
  expect(begun).toEqual(['a1', 'b1', 'a1']);
});

it('ten thousand that are done at once need no stack', () => {
  const { lanes, begun } = lanesOf(1, (one) => {
    if (one.name === 'first') return;
    lanes.free();
    lanes.advance(one);
  });
  lanes.enter(task('first', 'k'));
  for (let n = 0; n < 10_000; n++) lanes.enter(task('more', n % 2 === 0 ? 'k' : undefined));
  lanes.free();
  lanes.advance(task('first', 'k'));
  expect([begun.length, lanes.running, lanes.waiting]).toEqual([10_001, 0, 0]);
});

it('takes out what has not begun, and lets the next of a key move up', () => {
  const { lanes, begun } = lanesOf(1);
  for (const one of [task('run'), task('a1', 'a'), task('a2', 'a'), task('a3', 'a'), task('b1', 'b')])
    lanes.enter(one);
  const taken = lanes.takeOut(({ name }) => name !== 'a3');
  expect(taken.map(({ name }) => name)).toEqual(['a1', 'b1', 'a2']);
  lanes.free();
  expect([begun, lanes.waiting]).toEqual([['run', 'a3'], 0]);
});

it('what begins may take out what waits', () => {
  const { lanes, begun } = lanesOf(1, (one) => {
    if (one.name === 'b') expect(lanes.takeOut(() => true).map(({ name }) => name)).toEqual(['c', 'd']);
  });
  for (const name of ['a', 'b', 'c', 'd']) lanes.enter(task(name));
  lanes.free();
  expect([begun, lanes.waiting, lanes.running]).toEqual([['a', 'b'], 0, 1]);
});
