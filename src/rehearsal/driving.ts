/** Gives the worker jobs, at a pace, through its queue. */
import { randomUUID } from 'node:crypto';
import type { Transport } from '../core/transport.js';
import type { FactBook, Job, Leg } from './facts.js';
import type { Names } from './names.js';
import { pauseFor } from './waiting.js';

export interface Driving {
  /** Resolves when the broker has all of them. */
  drive(count: number, leg: Leg, options?: DriveOptions): Promise<readonly Job[]>;
  /** Goes on until it is told to stop; gives what it drove. The flag is being moved meanwhile. */
  flow(leg: Leg, rate: number): Flow;
}

export interface DriveOptions {
  /** Milliseconds that the analysis takes. Default 0. */
  readonly delayMs?: number;
}

export interface Flow {
  driven(): number;
  stop(): Promise<readonly Job[]>;
}

export interface DrivingDeps {
  readonly transport: Transport;
  readonly names: Names;
  readonly book: FactBook;
  /** Jobs per second. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

const TURN_MS = 25;

export function createDriving({ transport, names, book, rate, signal }: DrivingDeps): Driving {
  let count = 0;

  async function send(leg: Leg, inFlight: boolean, delayMs = 0): Promise<Job> {
    // Every other one fails: FAILED_SHARE.
    const job = book.add({ id: randomUUID(), userId: randomUUID(), fails: count++ % 2 === 1, leg, inFlight });
    await transport.publish({
      exchange: names.jobExchange,
      routingKey: 'analysis.process',
      body: Buffer.from(
        JSON.stringify({
          ...{ jobId: job.id, userId: job.userId, userEmail: 'user@example.com' },
          assessmentName: 'AI-Driven Talent Mapping',
          ...{ outcome: job.fails ? 'failed' : 'completed', delayMs },
        }),
      ),
      properties: {
        contentType: 'application/json',
        messageId: `${job.id}-analysis.process`,
        type: 'analysis.process',
      },
    });
    return job;
  }

  /** Calls `more` with how many are due, until it says that it is enough. */
  async function pace(perSecond: number, more: (due: number) => boolean): Promise<void> {
    const begun = performance.now();
    let sent = 0;
    for (;;) {
      signal.throwIfAborted();
      const due = Math.floor(((performance.now() - begun) * perSecond) / 1_000) + 1 - sent;
      sent += due;
      if (!more(due)) return;
      await pauseFor(TURN_MS, signal);
    }
  }

  async function driveAll(
    wanted: number,
    leg: Leg,
    { delayMs = 0 }: DriveOptions = {},
  ): Promise<readonly Job[]> {
    const sending: Promise<Job>[] = [];
    await pace(rate, (due) => {
      for (let each = 0; each < due && sending.length < wanted; each++)
        sending.push(watched(send(leg, false, delayMs)));
      return sending.length < wanted;
    });
    return Promise.all(sending);
  }

  return {
    drive: (wanted, leg, options) => watched(driveAll(wanted, leg, options)),
    flow(leg, perSecond) {
      const sending: Promise<Job>[] = [];
      let isOver = false;
      const flowing = pace(perSecond, (due) => {
        for (let each = 0; each < due && !isOver; each++) sending.push(watched(send(leg, true)));
        return !isOver;
      });
      flowing.catch(() => {}); // told by `stop`
      return {
        driven: () => sending.length,
        async stop() {
          isOver = true;
          await flowing;
          return Promise.all(sending);
        },
      };
    },
  };
}

/** It is awaited later: until then, or where something else fails first, its failure must not end the process. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
