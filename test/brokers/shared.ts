/**
 * One RabbitMQ for all test files that do it no harm. Started when the first file asks for it, by the
 * process that runs vitest, and stopped at the end. Suites that stop or kill the broker start their own.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { findRabbitServer, type RabbitBroker, startRabbit } from './rabbitmq.js';

declare module 'vitest' {
  export interface ProvidedContext {
    sharedBrokerDesk: string;
  }
}

export interface SharedRabbit {
  readonly url: string;
  readonly managementUrl: string;
}

/** Whether tests on RabbitMQ can run here; `npm test` says loudly when they cannot. */
export const rabbitInstalled = findRabbitServer() !== undefined;

/** The shared broker, started by the first call. Takes up to some 15 s then. */
export async function sharedRabbit(): Promise<SharedRabbit> {
  const response = await fetch(inject('sharedBrokerDesk'));
  if (!response.ok) throw new Error(`the shared RabbitMQ did not start: ${await response.text()}`);
  return (await response.json()) as SharedRabbit;
}

/** For vitest's global set-up: answers the calls above, and returns the release. */
export async function openSharedBrokerDesk(project: TestProject): Promise<() => Promise<void>> {
  let broker: Promise<RabbitBroker> | undefined;
  const desk = createServer((_request, response) => {
    broker ??= startRabbit();
    broker.then(
      ({ url, managementUrl }) => response.end(JSON.stringify({ url, managementUrl })),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => desk.listen(0, '127.0.0.1', resolve));
  project.provide('sharedBrokerDesk', `http://127.0.0.1:${(desk.address() as AddressInfo).port}/`);
  return async () => {
    desk.closeAllConnections();
    desk.close();
    await broker?.then(
      (started) => started.stop(),
      () => {}, // its start failed, which the suites that asked have reported
    );
  };
}
