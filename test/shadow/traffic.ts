/** Generated traffic of ATMA's callbacks and events, from a seed, with faults planted in it and what must be found. */
import type { Outcome } from '../../src/shadow/leg.js';
import { PLANTS, type PlantName } from './plants.js';

/** Times in milliseconds since 1970. */
export interface Line {
  readonly at: number;
  readonly record: object;
}

export interface Traffic {
  /** In order of time. */
  readonly callbacks: readonly Line[];
  readonly events: readonly Line[];
  readonly expected: Expected;
}

export interface Expected {
  /** `<event type> <consumer> <outcome>` and how many legs. */
  readonly legs: ReadonlyMap<string, number>;
  readonly extra: number;
  /** `<event type> <consumer>` and how many events came beyond the budget of 5 s. */
  readonly beyondBudget: ReadonlyMap<string, number>;
}

export interface TrafficOptions {
  readonly seed: number;
  readonly days: number;
  /** Jobs without a fault. */
  readonly jobs: number;
  /** Jobs with each fault. */
  readonly faults?: { readonly [name in PlantName]?: number };
}

export const START = Date.parse('2024-01-01T00:00:00Z');
export const CONSUMERS = ['notification', 'assessment'] as const;
export type Consumer = (typeof CONSUMERS)[number];

/** One job as it goes when nothing is wrong. Plants change it before it is written down. */
export interface Job {
  readonly jobId: string;
  readonly userId: string;
  readonly resultId: string;
  readonly startedAt: number;
  /** When the outcome is told. */
  readonly at: number;
  readonly errorMessage: string;
  random(): number;
  uuid(): string;
}

/** Where a plant writes its job, and what must be found of it. */
export interface Book {
  started(job: Job, change?: Partial<EventChange>): void;
  event(job: Job, type: 'completed' | 'failed', change?: Partial<EventChange>): void;
  callback(
    job: Job,
    consumer: Consumer,
    type: 'completed' | 'failed',
    change?: Partial<CallbackChange>,
  ): void;
  rawCallback(at: number, record: object): void;
  rawEvent(at: number, record: object): void;
  expect(type: 'started' | 'completed' | 'failed', consumer: Consumer | 'both', outcome: Outcome): void;
  expectExtra(): void;
  /** At both consumers. */
  expectBeyondBudget(type: 'completed' | 'failed'): void;
}

export interface EventChange {
  readonly at: number;
  readonly messageId: string;
  readonly routingKey: string;
  readonly exchange: string;
  readonly headers: object;
  readonly valid: boolean;
  readonly errors: readonly { path: string; message: string }[];
  /** Laid over the body. */
  readonly body: object;
}

export interface CallbackChange {
  readonly at: number;
  readonly path: string;
  readonly status: number | null;
  readonly answer: string;
  readonly failure: 'client-gone';
  readonly body: object;
}

export function generateTraffic({ seed, days, jobs, faults = {} }: TrafficOptions): Traffic {
  const random = mulberry32(seed);
  const book = createBook();
  const planted = (Object.keys(faults) as PlantName[]).flatMap((name) =>
    Array.from({ length: faults[name] ?? 0 }, () => name),
  );
  const names: (PlantName | undefined)[] = shuffled(
    [...planted, ...Array.from({ length: jobs }, () => undefined)],
    random,
  );
  const step = (days * 86_400_000) / names.length;
  // Beginnings are only missed once one was seen: the first job is an ordinary one.
  const first = names.indexOf(undefined);
  if (first > 0) [names[0], names[first]] = [names[first], names[0]];
  for (const [index, name] of names.entries()) {
    const job = makeJob(START + Math.floor(index * step), random);
    (name === undefined ? ordinary : PLANTS[name])(job, book);
  }
  return book.traffic();
}

function ordinary(job: Job, book: Book): void {
  const type = job.random() < 0.1 ? 'failed' : 'completed';
  book.started(job);
  for (const consumer of CONSUMERS) book.callback(job, consumer, type);
  book.event(job, type);
  book.expect('started', 'both', 'match');
  book.expect(type, 'both', 'match');
}

export function makeJob(startedAt: number, random: () => number): Job {
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
  const uuid = () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
  return {
    jobId: uuid(),
    userId: uuid(),
    resultId: uuid(),
    startedAt,
    at: startedAt + 5_000 + Math.floor(random() * 55_000),
    errorMessage: 'AI service did not answer in time',
    random,
    uuid,
  };
}

export function createBook() {
  const callbacks: Line[] = [];
  const events: Line[] = [];
  const legs = new Map<string, number>();
  const beyondBudget = new Map<string, number>();
  let extra = 0;

  const write = (type: string, job: Job, at: number, body: object, change: Partial<EventChange>) => {
    const record = {
      receivedAt: new Date(at).toISOString(),
      exchange: change.exchange ?? 'atma_events_exchange',
      routingKey: change.routingKey ?? type,
      messageId: change.messageId ?? `${job.jobId}-${type}-${at}`,
      type,
      headers: change.headers ?? {},
      valid: change.valid ?? true,
      ...(change.errors && { errors: change.errors }),
      event: {
        eventType: type,
        timestamp: new Date(at).toISOString(),
        jobId: job.jobId,
        userId: job.userId,
        userEmail: 'budi@example.com',
        ...body,
        ...change.body,
      },
    };
    events.push({ at, record });
  };
  const metadata = { assessmentName: 'AI-Driven Talent Mapping', retryCount: 0 };
  const book: Book & { traffic(): Traffic } = {
    started: (job, change = {}) =>
      write(
        'analysis.started',
        job,
        change.at ?? job.startedAt,
        { resultId: null, metadata: { ...metadata, estimatedProcessingTime: 60_000 } },
        change,
      ),
    event(job, type, change = {}) {
      const at = change.at ?? job.at + Math.floor(job.random() * 200);
      const outcome =
        type === 'completed'
          ? { resultId: job.resultId }
          : { resultId: null, errorMessage: job.errorMessage };
      const processingTime = job.at - job.startedAt;
      write(`analysis.${type}`, job, at, { ...outcome, metadata: { ...metadata, processingTime } }, change);
    },
    callback(job, consumer, type, change = {}) {
      const at = change.at ?? job.at + Math.floor(job.random() * 50);
      const own = {
        notification: {
          path: `/notifications/analysis-${type === 'completed' ? 'complete' : 'failed'}`,
          body: {
            userId: job.userId,
            jobId: job.jobId,
            ...(type === 'completed' ? { resultId: job.resultId } : { errorMessage: job.errorMessage }),
            status: type,
          },
        },
        assessment: {
          path: `/assessments/callback/${type}`,
          body: {
            jobId: job.jobId,
            resultId: type === 'completed' ? job.resultId : null,
            status: type,
            ...(type === 'failed' && { errorMessage: job.errorMessage }),
          },
        },
      }[consumer];
      book.rawCallback(at, {
        method: 'POST',
        path: change.path ?? own.path,
        headers: { 'X-Internal-Service': 'true', 'X-Service-Key': 'geheim' },
        body: change.body ?? own.body,
        status: change.status === undefined ? 200 : change.status,
        ...(change.answer !== undefined && { answer: change.answer }),
        ...(change.failure !== undefined && { failure: change.failure }),
        durationMs: 12,
      });
    },
    rawCallback: (at, record) =>
      callbacks.push({ at, record: { at: new Date(at).toISOString(), ...record } }),
    rawEvent: (at, record) =>
      events.push({ at, record: { receivedAt: new Date(at).toISOString(), ...record } }),
    expect(type, consumer, outcome) {
      for (const each of consumer === 'both' ? CONSUMERS : [consumer]) {
        const key = `analysis.${type} ${each} ${outcome}`;
        legs.set(key, (legs.get(key) ?? 0) + 1);
      }
    },
    expectExtra: () => void extra++,
    expectBeyondBudget(type) {
      for (const consumer of CONSUMERS) {
        const key = `analysis.${type} ${consumer}`;
        beyondBudget.set(key, (beyondBudget.get(key) ?? 0) + 1);
      }
    },
    traffic: () => ({
      callbacks: callbacks.toSorted((a, b) => a.at - b.at),
      events: events.toSorted((a, b) => a.at - b.at),
      expected: { legs, extra, beyondBudget },
    }),
  };
  return book;
}

/** The lines of a file, in chunks that end anywhere. */
export async function* bytesOf(lines: readonly Line[], chunk = 64 * 1024): AsyncGenerator<Buffer> {
  let text = '';
  for (const { record } of lines) {
    text += `${JSON.stringify(record)}\n`;
    if (text.length < chunk) continue;
    yield Buffer.from(text.slice(0, chunk));
    text = text.slice(chunk);
  }
  if (text !== '') yield Buffer.from(text);
}

/** A recorded callback as a browser's tools would have it. */
export function harEntry({ at, method, path, body, status }: Record<string, unknown>): object {
  return {
    startedDateTime: at,
    request: {
      method,
      url: `http://127.0.0.1:3005${path}`,
      headers: [],
      postData: { text: JSON.stringify(body) },
    },
    response: { status },
  };
}

/** Each line somewhere within `byMs` of its place. */
export function disordered(lines: readonly Line[], byMs: number, seed: number): Line[] {
  const random = mulberry32(seed);
  return lines
    .map((line) => ({ line, place: line.at + random() * byMs }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ line }) => line);
}

function shuffled<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const a = items[i] as T;
    items[i] = items[j] as T;
    items[j] = a;
  }
  return items;
}

/** Numbers from 0 to 1 that only depend on the seed. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
