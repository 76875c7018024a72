/** Outboxes on files of their own, and a transport whose answers a test decides. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { EventsError } from '../../../src/core/errors.js';
import type { OutgoingMessage } from '../../../src/core/message.js';
import { createOutbox, type Outbox, type OutboxOptions } from '../../../src/core/publishing/outbox.js';
import type { OutboxStore } from '../../../src/core/publishing/outbox-store.js';
import { describeOutboxTrouble, type OutboxTrouble } from '../../../src/core/publishing/outbox-trouble.js';
import type { Transport } from '../../../src/core/transport.js';
import { type FileOutboxStore, openOutboxStore } from '../../../src/storage/outbox-store.js';

export type Line = Pick<Transport, 'publish' | 'scheme'>;

/** Path of an outbox in a folder that is gone after the test. */
export function outboxPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'atma-outbox-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'outbox', 'outbox.db');
}

export interface Opened extends Outbox {
  readonly store: FileOutboxStore;
  readonly troubles: OutboxTrouble[];
  /** The same in words. */
  readonly said: string[];
}

/** An outbox that tries again soon; it is closed when the test ends. `around` changes its store. */
export function openOutbox(
  line: Line,
  path = outboxPath(),
  options: OutboxOptions = {},
  around: (store: OutboxStore) => OutboxStore = (store) => store,
): Opened {
  const store = openOutboxStore(path);
  const troubles: OutboxTrouble[] = [];
  const said: string[] = [];
  const outbox = createOutbox(line, around(store), {
    retry: { firstMs: 5, longestMs: 50 },
    onTrouble(trouble) {
      troubles.push(trouble);
      said.push(describeOutboxTrouble(trouble));
    },
    ...options,
  });
  onTestFinished(async () => {
    await outbox.close({ deadlineMs: 0 });
  });
  return { ...outbox, store, troubles, said };
}

export function messageTo(exchange: string, routingKey: string, id: string): OutgoingMessage {
  return { exchange, routingKey, body: Buffer.from(id), properties: { messageId: id } };
}

export interface Script extends Line {
  /** Message ids in the order of their sending; those of one burst are joined by a space. */
  readonly bursts: string[];
  /** What it confirmed, in that order. */
  readonly confirmed: string[];
  /** Decides each publish: resolves, or rejects with an error of the code. Default: all are confirmed. */
  answer: (id: string, message: OutgoingMessage) => Promise<EventsError['code'] | 'ok'>;
}

/** Answers as it is told, and notes what was handed over in one go. */
export function script(): Script {
  let open = false;
  const made: Script = {
    scheme: 'script',
    bursts: [],
    confirmed: [],
    answer: async () => 'ok',
    async publish(message) {
      const id = message.properties.messageId ?? '';
      if (open) made.bursts.push(`${made.bursts.pop()} ${id}`);
      else made.bursts.push(id);
      open = true;
      queueMicrotask(() => {
        open = false;
      });
      const answer = await made.answer(id, message);
      if (answer !== 'ok') throw new EventsError(answer, `the script says ${answer}`);
      made.confirmed.push(id);
    },
  };
  return made;
}
