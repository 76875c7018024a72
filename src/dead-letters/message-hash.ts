/** How a message is recognised when it comes again, by another process, after a crash. */
import { hash } from 'node:crypto';
import { withoutDeliveryCount } from '../core/broker-headers.js';
import type { ReceivedMessage } from '../core/message.js';

/** Of the digest, as much as is kept: 16 bytes. */
const HEX_DIGITS = 32;
const USUAL_BYTES = 64 * 1024;
/** Of a character of a JavaScript string, in UTF-8. */
const MOST_BYTES_PER_CHARACTER = 3;
const LENGTH_BYTES = 4;

/**
 * What is hashed: each value behind its kind and length, so that no two messages are written alike. Kept from message to
 * message: a JSON text and a buffer for each were much of the garbage of a replay.
 */
let scratch = Buffer.allocUnsafeSlow(USUAL_BYTES);
let at = 0;

/**
 * 32 hex digits, the same for the same message however often it is delivered: of exchange, routing key, properties and
 * body. Twins have one hash.
 */
export function messageHash({ exchange, routingKey, properties, body }: ReceivedMessage): string {
  at = 0;
  text(exchange);
  text(routingKey);
  for (const [name, property] of Object.entries(properties)) {
    if (property === undefined) continue;
    text(name);
    value(name === 'headers' && properties.headers ? withoutDeliveryCount(properties.headers) : property);
  }
  room(body.length);
  body.copy(scratch, at);
  at += body.length;
  const digest = hash('sha256', scratch.subarray(0, at), 'hex').slice(0, HEX_DIGITS);
  // What one large message needed is not kept for all.
  if (scratch.length > USUAL_BYTES) scratch = Buffer.allocUnsafeSlow(USUAL_BYTES);
  return digest;
}

function value(it: unknown): void {
  if (typeof it === 'string') text(it);
  else if (typeof it !== 'object' || it === null) kind('p', String(it));
  else if (Array.isArray(it)) {
    kind('a', String(it.length));
    for (const item of it) value(item);
  } else {
    const names = Object.keys(it);
    kind('o', String(names.length));
    for (const name of names) {
      text(name);
      value((it as { readonly [name: string]: unknown })[name]);
    }
  }
}

/** A string of the message. */
function text(it: string): void {
  kind('s', it);
}

function kind(letter: 's' | 'p' | 'a' | 'o', it: string): void {
  room(1 + LENGTH_BYTES + it.length * MOST_BYTES_PER_CHARACTER);
  scratch[at] = letter.charCodeAt(0);
  const start = at + 1 + LENGTH_BYTES;
  const length = ascii(it, start) ? it.length : scratch.write(it, start);
  scratch.writeUInt32BE(length, at + 1);
  at = start + length;
}

/** Character by character, which is faster than a call for what is short; false when it is not ASCII. */
function ascii(it: string, start: number): boolean {
  for (let index = 0; index < it.length; index++) {
    const code = it.charCodeAt(index);
    if (code > 0x7f) return false;
    scratch[start + index] = code;
  }
  return true;
}

function room(bytes: number): void {
  if (at + bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(at + bytes, scratch.length * 2));
  scratch.copy(larger, 0, 0, at);
  scratch = larger;
}
