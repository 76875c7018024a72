/** A broker file in a folder of its own, and the transports opened on it; all gone after each test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { OutgoingMessage, ReceivedMessage } from '../../../src/core/message.js';
import type { Transport, TransportOptions } from '../../../src/core/transport.js';
import { createEmbeddedTransport } from '../../../src/transports/embedded/index.js';
import { killLeftovers } from './child.js';

export interface Scene {
  readonly folder: string;
  readonly path: string;
  open(options?: TransportOptions): Transport;
}

export function useScene(): Scene {
  let folder = '';
  let opened: Transport[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'atma-embedded-'));
    opened = [];
  });
  afterEach(async () => {
    await killLeftovers();
    await Promise.all(opened.map((transport) => transport.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get folder() {
      return folder;
    },
    get path() {
      return join(folder, 'broker.db');
    },
    open(options) {
      const transport = createEmbeddedTransport(join(folder, 'broker.db'), options);
      opened.push(transport);
      return transport;
    },
  };
}

export function message(
  exchange: string,
  routingKey: string,
  body: string,
  rest: Partial<OutgoingMessage> = {},
): OutgoingMessage {
  return { exchange, routingKey, body: Buffer.from(body), properties: {}, ...rest };
}

export async function bodies(messages: AsyncIterable<ReceivedMessage>): Promise<string[]> {
  const found: string[] = [];
  for await (const { body } of messages) found.push(body.toString());
  return found;
}
