/**
 * ATMA's notification and assessment service as both paths see them: a real HTTP server and a real consumer that share an
 * idempotency store file, and a log of the effects that each of them had.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  type AtmaEvents,
  type Bus,
  type Consumer,
  createCallbackReceiver,
  type HandlerContext,
  openIdempotencyStore,
  type RunEffect,
  type Stage,
  type Trouble,
} from '../../src/index.js';

/** A line of an effect log. */
export interface Effect {
  readonly fact: string;
  readonly path: 'callback' | 'event';
  readonly stage: Stage;
}

/** What befalls a request on its way, decided by its fact. Both happen after the effect, and only the first time. */
export type Mishap = 'none' | 'answered 500' | 'connection cut';

export interface ServiceOptions {
  readonly name: 'notification' | 'assessment';
  readonly folder: string;
  readonly bus: Bus<AtmaEvents>;
  readonly queue: string;
  /** Held back on both paths until this resolves; undefined: not held. Default: none is. */
  readonly hold?: (fact: string) => Promise<void> | undefined;
  readonly mishap?: (fact: string) => Mishap;
}

export interface Service {
  readonly name: string;
  readonly url: string;
  /** Callbacks that came, and how many of them were in dry run. */
  readonly callbacks: { all: number; dryRuns: number };
  /** Events that reached a handler, and how many of them were in dry run. */
  readonly events: { all: number; dryRuns: number };
  readonly troubles: Trouble[];
  readonly deadLettered: string[];
  effects(): Effect[];
  /** True when no handler runs and none is to begin. */
  idle(): boolean;
  /** Jobs told of by `analysis.started`, which tests use as a mark at the end of what they sent. */
  readonly marks: Set<string>;
  close(): Promise<void>;
}

export async function startService(options: ServiceOptions): Promise<Service> {
  const { name, folder, bus, queue } = options;
  const log = join(folder, `${name}.effects`);
  const storeFile = join(folder, `${name}.db`);
  // Two handles on one file, as two processes of one service have them.
  const [receiving, consuming] = [openIdempotencyStore(storeFile), openIdempotencyStore(storeFile)];
  const receiver = createCallbackReceiver({ store: receiving, consumer: name });
  const callbacks = { all: 0, dryRuns: 0 };
  const events = { all: 0, dryRuns: 0 };
  const marks = new Set<string>();
  const troubles: Trouble[] = [];
  const deadLettered: string[] = [];
  const spoiled = new Set<string>();

  async function once(
    telling: { effect: RunEffect; fact: string | undefined; stage: Stage | undefined },
    path: string,
  ) {
    const { effect, fact = '', stage } = telling;
    await options.hold?.(fact);
    await effect(() => appendFileSync(log, `${JSON.stringify({ fact, path, stage })}\n`), { waitMs: 60_000 });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk;
    const received = receiver.receive(request.headers, JSON.parse(text));
    callbacks.all++;
    if (received.dryRun) callbacks.dryRuns++;
    await once(received, 'callback');
    const fact = received.fact ?? '';
    const mishap = spoiled.has(fact) ? 'none' : (options.mishap?.(fact) ?? 'none');
    spoiled.add(fact);
    if (mishap === 'connection cut') request.socket.resetAndDestroy();
    else response.writeHead(mishap === 'none' ? 200 : 500).end('{}');
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(503).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  const handle = async (_: unknown, context: HandlerContext) => {
    events.all++;
    if (context.dryRun) events.dryRuns++;
    await once(context, 'event');
  };
  const consumer: Consumer = await bus.consume(
    queue,
    {
      'analysis.started'({ data }) {
        marks.add(data.jobId);
      },
      'analysis.completed': handle,
      'analysis.failed': handle,
    },
    {
      consumerName: name,
      idempotency: consuming,
      circuit: false,
      onTrouble: (trouble) => troubles.push(trouble),
      onDeadLetter: (record) => deadLettered.push(record.message),
    },
  );

  return {
    ...{ name, callbacks, events, marks, troubles, deadLettered },
    url: `http://127.0.0.1:${port}`,
    effects: () =>
      existsSync(log)
        ? readFileSync(log, 'utf8')
            .trimEnd()
            .split('\n')
            .map((line): Effect => JSON.parse(line))
        : [],
    idle() {
      const { running, waiting, held } = consumer.state();
      return running + waiting + held === 0;
    },
    async close() {
      await consumer.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all([receiving.close(), consuming.close()]);
    },
  };
}
