/** Reads what the services note about their effects, while they are there, into the book of facts. */
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { z } from 'zod';
import { messageOf } from '../core/errors.js';
import type { FactBook, ServiceName } from './facts.js';

const line = z.object({
  n: z.int(),
  fact: z.string(),
  effect: z.string(),
  path: z.enum(['callback', 'event']),
});

export interface EffectsWatch {
  /** Everything that the services have noted by now. Rejects where one cannot be asked. */
  readAll(): Promise<void>;
  stop(): Promise<void>;
}

const EVERY_MS = 200;
const PATIENCE_MS = 5_000;

export interface EffectsSource {
  readonly service: ServiceName;
  readonly url: () => string | undefined;
}

export function watchEffects(book: FactBook, sources: readonly EffectsSource[]): EffectsWatch {
  const readers = sources.map((source) => createReader(book, source));
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let round: Promise<void> = Promise.resolve();

  const next = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      round = Promise.allSettled(readers.map((read) => read())).then(next);
    }, EVERY_MS);
  };
  next();

  return {
    async readAll() {
      await Promise.all(readers.map((read) => read()));
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await round;
    },
  };
}

/** One look at a time: two would note the same rows twice. */
function createReader(book: FactBook, { service, url }: EffectsSource): () => Promise<void> {
  let after = 0;
  let reading: Promise<void> = Promise.resolve();
  async function read(): Promise<void> {
    const base = url();
    if (base === undefined) throw new Error(`the ${service} service is away`);
    const response = await fetch(`${base}/effects?after=${after}`, {
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!response.ok || response.body === null) throw new Error(`its effects: ${response.status}`);
    const lines = createInterface({ input: Readable.fromWeb(response.body as ReadableStream) });
    for await (const text of lines) {
      const row = parsed(text);
      if (row === undefined) return; // cut off in the middle of a line: it is read again
      if (row.n <= after) continue;
      after = row.n;
      book.note({ service, fact: row.fact, effect: row.effect, path: row.path });
    }
  }
  return () => {
    const mine = reading.then(read, read);
    reading = mine.catch((error: unknown) => void messageOf(error)); // whoever asked is told; the next one tries anew
    return mine;
  };
}

function parsed(text: string): z.infer<typeof line> | undefined {
  try {
    return line.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
