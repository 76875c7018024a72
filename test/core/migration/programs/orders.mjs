// What the two sides of one service share when they are processes of their own: the catalog, the store, and a file in
// which effects can be counted from outside.
import { appendFileSync, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineCatalog, defineEvent } from '../../../../dist/index.js';

export const SERVICE = 'shipping';

export const factOf = ({ order }) => `order.paid:${order}`;

export function catalogOn(exchange) {
  const schema = z.object({ order: z.string() });
  return defineCatalog(defineEvent({ type: 'order.paid', exchange, schema, fact: factOf }));
}

/** Takes its time, so that the other side asks for it meanwhile. */
export async function ship(file, order, side) {
  await pause(Math.random() * 5);
  appendFileSync(file, `${order} ${side}\n`);
}

export function print(...words) {
  writeSync(1, `${words.join(' ')}\n`);
}
