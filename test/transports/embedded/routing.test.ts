import { expect, test } from 'vitest';
import { bind, exchange, queue } from '../../../src/core/topology/model.js';
import { first, topology } from './queues.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();

test('what no queue is bound for goes to the alternate exchange', async () => {
  const transport = scene.open();
  await transport.apply(
    topology({
      exchanges: [
        exchange('main', 'direct', { arguments: { 'alternate-exchange': 'rest' } }),
        exchange('rest', 'fanout', { arguments: { 'alternate-exchange': 'main' } }),
      ],
      queues: [queue('known'), queue('others')],
      bindings: [...bind('main', 'known', 'a'), ...bind('rest', 'others', '')],
    }),
  );
  await transport.publish(message('main', 'a', 'for known'));
  await transport.publish(message('main', 'b', 'for others'));
  expect(await bodies(transport.browse('known'))).toEqual(['for known']);
  expect(await bodies(transport.browse('others'))).toEqual(['for others']);
  await transport.remove({ queues: ['others'] });
  await expect(transport.publish(message('main', 'b', 'x'))).rejects.toMatchObject({ code: 'unroutable' });
});

test('CC and BCC name further keys, and BCC does not travel on', async () => {
  const transport = scene.open();
  await transport.apply(topology({ queues: [queue('a'), queue('b'), queue('c')] }));
  const headers = { CC: ['b', 'a'], BCC: ['c'], kept: 1 };
  await transport.publish(message('', 'a', 'x', { properties: { headers } }));
  for (const name of ['a', 'b', 'c']) {
    const found = await first(transport, name);
    expect(found?.properties.headers).toEqual({ CC: ['b', 'a'], kept: 1 });
    expect((await transport.counts(name))?.ready).toBe(1);
  }
});

test('an auto-delete exchange goes with its last binding', async () => {
  const transport = scene.open();
  const temporary = exchange('temporary', 'fanout', { autoDelete: true });
  await transport.apply(
    topology({ exchanges: [temporary], queues: [queue('q')], bindings: bind('temporary', 'q', '') }),
  );
  await transport.remove({ queues: ['q'] });
  expect((await transport.inspect(topology({ exchanges: [temporary] }))).exchanges).toEqual([
    { state: 'absent' },
  ]);
});
