/** Asks the gate about a move: facts from the flag file, its trail, the shadow run and the broker. */
import { resolve } from 'node:path';
import { EventsError } from '../core/errors.js';
import type { Transport } from '../core/transport.js';
import { evidenceOf, type GateResult, judgeMove } from '../migration/gate.js';
import { collectGateFacts, type GateInput } from '../migration/gate-facts.js';
import type { Looking } from '../migration/queue-look.js';
import type { Settings } from '../project/settings.js';
import { startTimer } from '../terminal/timer.js';
import { type Session, untilAborted } from './deps.js';
import { reasonOf } from './flag-author.js';
import { DEFAULT_STORE } from './shadow-store.js';

/** Where the verdict is, and what is said of the dead letters. */
export interface EvidenceOptions {
  readonly verdict?: string;
  readonly store?: string;
  readonly dlqExplained?: string;
}

/** What a move is asked for with. `reason` undefined: nobody moves anything yet. */
export interface Asked extends Pick<GateInput, 'flagFile' | 'to' | 'by' | 'reason'> {
  readonly forced?: boolean;
  readonly samplePercent?: number;
}

export interface GateAnswer {
  readonly gate: GateResult;
  /** For the audit trail. */
  readonly evidence: Readonly<Record<string, unknown>> | null;
}

export async function askGate(
  asked: Asked,
  options: EvidenceOptions,
  settings: Settings,
  session: Session,
): Promise<GateAnswer> {
  const facts = await collectGateFacts({ ...asked, ...gateInput(options, settings, session) });
  // An interruption looks like a broker that cannot be asked.
  session.signal.throwIfAborted();
  const gate = judgeMove(facts);
  return { gate, evidence: evidenceOf(facts, gate) };
}

/** What the gate is told by options and settings, whatever the move. */
export function gateInput(
  options: EvidenceOptions,
  settings: Settings,
  session: Session,
): Omit<GateInput, keyof Asked | 'rollout'> {
  const { system, shadowPolicy, flag, timeoutMs } = settings;
  return {
    evidence: evidenceSource(options, session),
    policy: shadowPolicy,
    system,
    transport: lookingWithin(() => session.openLazily(settings), timeoutMs, session),
    verdictMaxAgeMs: flag.verdictMaxAgeMs,
    secondPerson: flag.secondPerson,
    now: session.now,
    ...(options.dlqExplained !== undefined && {
      deadLettersExplained: reasonOf(options.dlqExplained),
    }),
  };
}

/** Throws `usage` where both are given. */
function evidenceSource({ verdict, store }: EvidenceOptions, session: Session): GateInput['evidence'] {
  if (verdict !== undefined && store !== undefined) {
    throw new EventsError('usage', '--verdict and --store name two sources of one verdict', {
      hint: 'Give one of them.',
    });
  }
  const inFolder = (path: string) => resolve(session.terminal.streams.directory, path);
  return verdict === undefined
    ? { kind: 'store', path: inFolder(store ?? DEFAULT_STORE) }
    : { kind: 'file', path: inFolder(verdict) };
}

/**
 * The broker, opened when it is first asked, which for most moves is never. A look begins with the survey and has `limitMs` for
 * all its questions: each alone may take as long as reaching the broker may, and a status must not take that twice.
 */
function lookingWithin(
  open: () => Promise<Transport>,
  limitMs: number,
  { signal }: Pick<Session, 'signal'>,
): Looking {
  let opened: Promise<Transport> | undefined;
  let deadline = 0;
  const ask = async <T>(question: (transport: Transport) => Promise<T>): Promise<T> => {
    let callOff = () => {};
    const late = new Promise<never>((_, reject) => {
      callOff = startTimer(Math.max(deadline - performance.now(), 0), () => reject(tooLate(limitMs)));
    });
    try {
      opened ??= open();
      return await untilAborted(Promise.race([opened.then(question), late]), signal);
    } finally {
      callOff();
    }
  };
  return {
    survey() {
      deadline = performance.now() + limitMs;
      return ask((transport) => transport.survey());
    },
    counts: (queue) => ask((transport) => transport.counts(queue)),
  };
}

function tooLate(limitMs: number): EventsError {
  return new EventsError('unreachable', `The broker has not answered within ${limitMs} ms`, {
    hint: 'See whether it is up, and whether --url names it; --timeout gives it longer.',
  });
}
