/**
 * Content-header frames (AMQP 0-9-1, 4.2.6.1) read into our message's properties, header types included. In place of
 * amqplib's decoder, which forgets those types: each table would have to be read a second time.
 */
import type { MessageProperties } from '../../core/message.js';
import { knownText } from './known-text.js';
import { readHeaders } from './typed-headers.js';

export interface ContentHeader {
  /** Of the body, in bytes. */
  readonly size: number;
  /** Only what is on the wire. */
  readonly properties: MessageProperties;
}

/** In the payload, behind class and weight. */
const SIZE_AT = 4;
const FLAGS_AT = 12;
const PROPERTIES_AT = 14;

/** Reads the payload that begins at `start`. Throws on what is no content header. */
export function readContentHeader(bytes: Buffer, start: number): ContentHeader {
  return {
    size: uint64(bytes, start + SIZE_AT),
    properties: new Reader(bytes, start + PROPERTIES_AT).properties(bytes.readUInt16BE(start + FLAGS_AT)),
  };
}

/** As a double holds it: exact up to 2^53. */
function uint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

class Reader {
  constructor(
    private readonly bytes: Buffer,
    private at: number,
  ) {}

  /** Each property has a bit, from the highest on in the order of the specification. */
  properties(flags: number): MessageProperties {
    const read: { -readonly [K in keyof MessageProperties]: MessageProperties[K] } = {};
    if (flags & 0x8000) read.contentType = this.usual();
    if (flags & 0x4000) read.contentEncoding = this.usual();
    if (flags & 0x2000) read.headers = this.headers();
    if (flags & 0x1000) read.deliveryMode = this.octet() as 1 | 2;
    if (flags & 0x0800) read.priority = this.octet();
    if (flags & 0x0400) read.correlationId = this.text();
    if (flags & 0x0200) read.replyTo = this.text();
    if (flags & 0x0100) read.expiration = this.text();
    if (flags & 0x0080) read.messageId = this.text();
    if (flags & 0x0040) read.timestamp = this.seconds();
    if (flags & 0x0020) read.type = this.usual();
    if (flags & 0x0010) read.userId = this.usual();
    if (flags & 0x0008) read.appId = this.usual();
    return read;
  }

  private headers() {
    const { at } = this;
    this.at += 4 + this.bytes.readUInt32BE(at);
    return readHeaders(this.bytes, at);
  }

  private octet(): number {
    return this.bytes.readUInt8(this.at++);
  }

  private seconds(): number {
    const { at } = this;
    this.at += 8;
    return uint64(this.bytes, at);
  }

  private text(): string {
    const start = this.at + 1;
    this.at = start + this.bytes.readUInt8(this.at);
    return this.bytes.toString('utf8', start, this.at);
  }

  /** A text that many messages have in common. */
  private usual(): string {
    const start = this.at + 1;
    this.at = start + this.bytes.readUInt8(this.at);
    return knownText(this.bytes, start, this.at);
  }
}
