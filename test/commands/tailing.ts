/** What the tests of `tail` have in common: ATMA's topology, events to send, and a tail that is up. */
import { beforeEach } from 'vitest';
import type { MessageProperties } from '../../src/core/message.js';
import { createPublisher } from '../../src/core/publishing/publisher.js';
import { atma } from '../../src/presets/atma.js';
import { type CommandBroker, describeOnBothBrokers } from './brokers.js';
import { type RunningCli, startCli } from './cli.js';

/** Data of an `analysis.completed` event. */
export const sample = atma.build({}).catalog.get('analysis.completed').sample as never;

/** A suite on both brokers, each test with a topology that nothing was sent to yet. */
export function describeTail(name: string, suite: (broker: CommandBroker) => void): void {
  describeOnBothBrokers(name, (broker) => {
    beforeEach(async () => {
      await broker.clean();
      const transport = await broker.open();
      await transport.apply(atma.build(broker.env).topology);
      await transport.close();
    });
    suite(broker);
  });
}

export async function send(
  broker: CommandBroker,
  ...messages: [routingKey: string, body: Buffer, properties?: MessageProperties][]
): Promise<void> {
  const transport = await broker.open();
  for (const [routingKey, body, properties = {}] of messages) {
    await transport.publish({ exchange: broker.exchange, routingKey, body, properties, mandatory: false });
  }
  await transport.close();
}

export async function sendEvent(broker: CommandBroker): Promise<void> {
  const transport = await broker.open();
  await createPublisher(transport, atma.build(broker.env).catalog).publish('analysis.completed', sample);
  await transport.close();
}

/** Starts `tail`; returns once it gets what is published from then on. */
export async function tailing(broker: CommandBroker, ...args: string[]): Promise<RunningCli> {
  const running = startCli(['tail', ...args], broker.options());
  await running.says('tailing ');
  return running;
}

export const linesOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
