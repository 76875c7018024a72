/** Everything that is up while a rehearsal goes on: what its steps and faults work with. */
import type { Transport } from '../core/transport.js';
import type { CallbackFaults } from './callback-faults.js';
import type { Driving } from './driving.js';
import type { EffectsWatch } from './effects-watch.js';
import { type FactBook, isSettled, type Job, type Leg } from './facts.js';
import type { PlannedFault } from './faults.js';
import type { HealthWatch } from './health-watch.js';
import type { VerdictLimits } from './limits.js';
import type { Names } from './names.js';
import type { ProcessName, Service } from './services.js';
import type { ShadowWatch } from './shadow-watch.js';
import type { TcpLine } from './tcp-line.js';
import type { Tool } from './tool.js';
import type { WaitUntil } from './waiting.js';

export interface RehearsalPlan {
  /** Measured in each stage. */
  readonly jobs: number;
  /** Jobs per second. */
  readonly rate: number;
  readonly faults: readonly PlannedFault[];
  readonly limits: VerdictLimits;
  /** A test's switch: the gate is not asked. */
  readonly gateOff: boolean;
}

/** Something that happened, for those who watch. */
export interface Happening {
  readonly kind: 'step' | 'move' | 'fault' | 'verdict' | 'problem';
  readonly text: string;
}

export interface Scene {
  readonly plan: RehearsalPlan;
  readonly folder: string;
  readonly names: Names;
  readonly tool: Tool;
  /** Of the rehearsal's own, straight to the broker. */
  readonly transport: Transport;
  /** Undefined where there is none to cut: the embedded broker, `amqps:`. */
  readonly line: TcpLine | undefined;
  readonly services: { readonly [N in ProcessName]: Service };
  readonly callbacks: CallbackFaults;
  readonly book: FactBook;
  readonly effects: EffectsWatch;
  readonly health: HealthWatch;
  readonly driving: Driving;
  readonly waitUntil: WaitUntil;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** The latest epoch of the flag that anything was sent in. */
  epochSeen(): number;
  /** A shadow run that the callbacks go through from now on; until `withShadow` is over. */
  withShadow<T>(name: string, work: (watch: ShadowWatch) => Promise<T>): Promise<T>;
  tell(kind: Happening['kind'], text: string): void;
  /** What is not as it should be: told at once, and in the end. */
  problem(text: string): void;
  /** Facts that wait in a dead-letter queue until the end: nobody waits for their effects before. */
  readonly laidAside: Set<string>;
  readonly where: { leg: Leg; verdict: string | undefined };
}

/**
 * Where nothing has happened for this long, nothing more will: the longest pause before a retry, with room for a machine that has
 * other things to do.
 */
export const STILL_MS = 15_000;
const SETTLE_LIMIT_MS = 120_000;

/** Waits until the jobs have all their effects; those laid aside excepted. False where nothing happens any more before. */
export async function settled(
  { book, laidAside, waitUntil }: Pick<Scene, 'book' | 'laidAside' | 'waitUntil'>,
  jobs: readonly Job[],
  stillMs = STILL_MS,
): Promise<boolean> {
  const open = new Set(jobs.map(({ id }) => id));
  let effects = book.effects();
  let changedAt = performance.now();
  await waitUntil(() => {
    for (const id of open) {
      const job = book.jobs.get(id);
      if (job === undefined || isSettled(job) || laidAside.has(id)) open.delete(id);
    }
    if (book.effects() !== effects) {
      effects = book.effects();
      changedAt = performance.now();
    }
    return open.size === 0 || performance.now() - changedAt >= stillMs;
  }, SETTLE_LIMIT_MS);
  return open.size === 0;
}

/** The job that a fact key names. */
export function jobOfFact(fact: string): string {
  return fact.split(':')[1] ?? '';
}
