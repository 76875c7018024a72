import { expect, test } from 'vitest';
import { queue } from '../../../src/core/topology/model.js';
import { eventually } from '../../await.js';
import { runProgram } from './child.js';
import { brokenInvariants } from './invariants.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();

test('a handler that throws is uncaught, and undoes nothing: not its neighbours, not what was settled', async () => {
  const transport = scene.open();
  await transport.apply({ exchanges: [], queues: [queue('q'), queue('neighbour')], bindings: [] });
  // Two at a time: the throwing one comes in the same transaction as the acks of those before it.
  const good = Array.from({ length: 20 }, (_, index) => `${index}`);
  for (const text of good) {
    if (text === '7') await transport.publish(message('', 'q', 'bad'));
    await transport.publish(message('', 'q', text));
    await transport.publish(message('', 'neighbour', text));
  }
  const child = runProgram('throw-on-one.mjs', scene.path);
  await child.printed('ready');
  const settledIn = (name: string) => child.lines.filter((line) => line.startsWith(`${name} `));
  await eventually('all others are settled', () => {
    return settledIn('q').length + settledIn('neighbour').length >= 2 * good.length;
  });
  child.say('close');
  expect(await child.exited()).toBe(0);
  expect(settledIn('q')).toEqual(good.map((text) => `q ${text} settled`));
  expect(settledIn('neighbour')).toEqual(good.map((text) => `neighbour ${text} settled`));
  expect(settledIn('uncaught')).toEqual(['uncaught the handler threw']);
  expect(child.lines.slice(-3)).toEqual(['again usage', 'closed', 'closed']);
  expect(await bodies(transport.browse('q'))).toEqual(['bad']);
  expect(brokenInvariants(scene.path)).toEqual([]);
});
