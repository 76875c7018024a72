/** How a message is recognised when it comes again, by another process, after a crash. */
import { hash } from 'node:crypto';
import { withoutDeliveryCount } from '../core/broker-headers.js';
import type { ReceivedMessage } from '../core/message.js';

const BYTES = 16;

/**
 * 16 bytes, the same for the same message however often it is delivered: of exchange, routing key, properties and
 * body. Twins have one hash.
 */
export function messageHash({ exchange, routingKey, properties, body }: ReceivedMessage): Buffer {
  const { headers } = properties;
  const kept = headers === undefined ? undefined : withoutDeliveryCount(headers);
  const same = kept === headers ? properties : { ...properties, headers: kept };
  const text = JSON.stringify([exchange, routingKey, same]);
  // In one call: an object of its own for each hash costs as much as the hashing.
  const bytes = Buffer.allocUnsafe(Buffer.byteLength(text) + body.length);
  body.copy(bytes, bytes.write(text));
  return hash('sha256', bytes, 'buffer').subarray(0, BYTES);
}

/** The hash as a key of a Map. */
export function hashKey(hash: Buffer): string {
  return hash.toString('latin1');
}
