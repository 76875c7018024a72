/** What must be true of messages that came through an outbox, whatever happened on their way. */
import { expect } from 'vitest';
import type { ReceivedMessage } from '../../../src/core/message.js';
import { bind, exchange, queue, type Topology } from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';

/** A topic exchange and one queue that gets all of it, under one name. */
export function catchAll(name: string): Topology {
  return { exchanges: [exchange(name, 'topic')], queues: [queue(name)], bindings: bind(name, name, '#') };
}

export async function messagesIn(transport: Transport, name: string): Promise<ReceivedMessage[]> {
  const found: ReceivedMessage[] = [];
  for await (const message of transport.browse(name)) found.push(message);
  return found;
}

/**
 * All that was published is there, in the order of publishing once repeats are left out, and what repeats has the id of the
 * first. Ids are `<run>-<number>` and double as bodies. Returns a line that says what was seen.
 */
export function expectAllInOrder(
  messages: readonly Pick<ReceivedMessage, 'body' | 'properties'>[],
  published: readonly string[],
): string {
  const ids = messages.map(({ body }) => body.toString());
  expect(messages.map(({ properties }) => properties.messageId)).toEqual(ids);
  const firsts = [...new Set(ids)];
  const there = new Set(firsts);
  expect(
    published.filter((id) => !there.has(id)),
    'none is lost',
  ).toEqual([]);
  expect(firsts, 'in order').toEqual(firsts.toSorted((a, b) => placeOf(a) - placeOf(b)));
  return `${published.length} published, ${firsts.length} arrived, ${ids.length - firsts.length} of them twice`;
}

function placeOf(id: string): number {
  const [run = '', number = ''] = id.split('-');
  return Number(run) * 1e9 + Number(number);
}
