/** Both brokers, as commands address them: every command test runs on each. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Transport } from '../../src/core/transport.js';
import { createTransport } from '../../src/transports/index.js';
import { rabbitInstalled, sharedRabbit } from '../brokers/shared.js';
import type { CliOptions } from './cli.js';

export interface CommandBroker {
  readonly name: 'embedded' | 'amqp';
  readonly url: () => string;
  /** Names of their own for the ATMA topology, so that files do not meet on the shared broker. */
  readonly env: Record<string, string>;
  readonly exchange: string;
  readonly notifications: string;
  readonly assessments: string;
  /** The environment with the broker's URL in it. */
  options(more?: CliOptions): CliOptions;
  open(): Promise<Transport>;
  /** Deletes what the ATMA topology made. */
  clean(): Promise<void>;
}

/** Runs the suite on the embedded broker and on RabbitMQ (skipped, loudly, where that is not installed). */
export function describeOnBothBrokers(name: string, suite: (broker: CommandBroker) => void): void {
  for (const kind of ['embedded', 'amqp'] as const) {
    describe.skipIf(kind === 'amqp' && !rabbitInstalled)(`${name} on ${kind}`, () => {
      suite(brokerOf(kind));
    });
  }
}

/** Works with a transport of its own, closed afterwards. */
export async function withTransport<T>(
  broker: Pick<CommandBroker, 'open'>,
  work: (transport: Transport) => Promise<T>,
): Promise<T> {
  const transport = await broker.open();
  try {
    return await work(transport);
  } finally {
    await transport.close();
  }
}

function brokerOf(name: 'embedded' | 'amqp'): CommandBroker {
  const suffix = randomBytes(4).toString('hex');
  const exchange = `events_${suffix}`;
  const notifications = `notifications_${suffix}`;
  const assessments = `assessments_${suffix}`;
  const env = {
    EVENTS_EXCHANGE_NAME: exchange,
    EVENTS_QUEUE_NAME_NOTIFICATIONS: notifications,
    EVENTS_QUEUE_NAME_ASSESSMENTS: assessments,
  };
  let url = '';
  let folder: string | undefined;
  const open = () => createTransport(url);
  const clean = async () => {
    const transport = await open();
    const queues = [notifications, assessments].flatMap((queue) => [queue, `${queue}_dlq`]);
    await transport.remove({ queues, exchanges: [exchange, `${exchange}_dlx`] });
    await transport.close();
  };
  beforeAll(async () => {
    if (name === 'amqp') {
      url = (await sharedRabbit()).url;
    } else {
      folder = mkdtempSync(join(tmpdir(), 'atma-command-broker-'));
      url = `embedded:${join(folder, 'broker.db')}`;
    }
  });
  afterAll(async () => {
    await clean();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  return {
    name,
    url: () => url,
    env,
    exchange,
    notifications,
    assessments,
    options: (more = {}) => ({ ...more, env: { ...env, ATMA_EVENTS_URL: url, ...more.env } }),
    open,
    clean,
  };
}
