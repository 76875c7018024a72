/** What a test of the RabbitMQ transport works with: transports that are closed in the end, and raw access. */
import { randomUUID } from 'node:crypto';
import { type ChannelModel, connect } from 'amqplib';
import { onTestFinished } from 'vitest';
import type { OutgoingMessage } from '../../../src/core/message.js';
import type { Delivery, Transport, TransportNotice } from '../../../src/core/transport.js';
import { type AmqpOptions, createAmqpTransport } from '../../../src/transports/amqp/index.js';
import { eventually } from '../../await.js';
import { startTcpProxy, type TcpProxy } from '../../brokers/tcp-proxy.js';

export interface Stage {
  readonly transport: Transport;
  readonly notices: TransportNotice[];
}

/** A transport that is closed when the test ends. */
export function open(url: string, options: AmqpOptions = {}): Stage {
  const notices: TransportNotice[] = [];
  const transport = createAmqpTransport(url, { onNotice: (notice) => notices.push(notice), ...options });
  onTestFinished(() => transport.close());
  return { transport, notices };
}

/** The same through a proxy that the test can cut and stall. */
export async function openThroughProxy(
  url: string,
  options?: AmqpOptions,
): Promise<Stage & { proxy: TcpProxy }> {
  const proxy = await startTcpProxy(Number(new URL(url).port));
  onTestFinished(() => proxy.close());
  const target = new URL(url);
  target.port = String(proxy.port);
  return { ...open(target.href, options), proxy };
}

/** amqplib itself, for what the transport would not do. */
export async function openRaw(url: string): Promise<ChannelModel> {
  const connection = await connect(url);
  connection.on('error', () => {}); // brokers are killed here
  onTestFinished(() => connection.close().catch(() => {}));
  return connection;
}

export function unique(label: string): string {
  return `amqp-test.${label}.${randomUUID()}`;
}

/** A queue that is deleted when the test ends. */
export async function makeQueue(transport: Transport, args = {}, rest = {}): Promise<string> {
  const name = unique('queue');
  await transport.apply({
    exchanges: [],
    queues: [{ name, durable: true, exclusive: false, autoDelete: false, arguments: args, ...rest }],
    bindings: [],
  });
  onTestFinished(() => transport.remove({ queues: [name] }));
  return name;
}

export function toQueue(
  queue: string,
  body: string,
  properties: OutgoingMessage['properties'] = {},
): OutgoingMessage {
  return { exchange: '', routingKey: queue, body: Buffer.from(body), properties };
}

/** Consumes without settling, until `count` deliveries are in hand; the list keeps growing. */
export async function hold(
  transport: Transport,
  queue: string,
  count: number,
  prefetch = 1_000,
): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  await transport.consume(queue, { prefetch }, (delivery) => {
    deliveries.push(delivery);
  });
  await eventually(`${count} deliveries`, () => deliveries.length >= count);
  return deliveries;
}

/** Consumes and acks `count` messages. */
export async function take(transport: Transport, queue: string, count: number): Promise<string[]> {
  const bodies: string[] = [];
  const subscription = await transport.consume(queue, { prefetch: Math.max(1, count) }, (delivery) => {
    bodies.push(delivery.message.body.toString());
    void delivery.ack();
  });
  await eventually(`${count} messages`, () => bodies.length >= count);
  await subscription.close();
  return bodies;
}
