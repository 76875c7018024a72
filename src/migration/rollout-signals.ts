/** What a rollout watches: the shadow run that goes on beside it, and the queues, against how they were when it began. */

import { readAudit } from './audit.js';
import type { Evidence } from './evidence.js';
import { readFlagFile } from './flag-file.js';
import { type GateInput, verdictFacts } from './gate-facts.js';
import { futureBecause, strangerBecause } from './gate-verdict.js';
import { type Known, knownFrom } from './known.js';
import { acceptedFlags, growthOf } from './present-move.js';
import { lookAtQueues, type QueueLook } from './queue-look.js';
import type { RolloutSignals } from './rollout-decision.js';

export interface SignalWatch {
  /** The legs of a step count from here; where the run cannot be asked, from the next look on. Never rejects. */
  stepBegins(): Promise<void>;
  /** A run or a broker that cannot be asked is a signal, too. Rejects with `flag-invalid` and `storage`. */
  look(): Promise<RolloutSignals>;
}

/** A run that is well saves every few seconds. Milliseconds. */
const STALLED_MS = 60_000;

type Watched = Pick<
  GateInput,
  'flagFile' | 'evidence' | 'policy' | 'system' | 'transport' | 'verdictMaxAgeMs' | 'now'
>;

/**
 * Begins to watch. Dead letters are counted from now on; where the broker cannot be asked yet, from the first look that
 * succeeds. Letters that somebody takes out meanwhile do not make room for new ones.
 */
export async function watchSignals(watched: Watched): Promise<SignalWatch> {
  const letters = createLetterCount();
  let step: Pick<Evidence, 'startedAt' | 'legs' | 'bad'> | undefined;
  const lookAtBroker = async (): Promise<RolloutSignals['queues']> => {
    const found = await knownFrom(
      () => lookAtQueues(watched.transport, watched.system),
      'See whether the broker is up.',
    );
    if (!found.known) return found;
    return {
      known: true,
      value: { deadLetterGrowth: letters.growth(found.value), fullest: fullestOf(found.value) },
    };
  };
  await lookAtBroker();
  return {
    async stepBegins() {
      const found = await knownFrom(() => present(watched), '');
      step = found.known && found.value.known ? found.value.value : undefined;
    },
    async look() {
      const [found, queues] = await Promise.all([present(watched), lookAtBroker()]);
      if (!found.known) return { shadow: found, queues };
      const { verdict, legs, bad, startedAt } = found.value;
      // Another run has taken over: all that it has counted came since.
      if (step !== undefined && step.startedAt !== startedAt) step = { startedAt, legs: 0, bad: 0 };
      step ??= found.value;
      return {
        shadow: {
          known: true,
          value: { verdict, legs: Math.max(0, legs - step.legs), bad: Math.max(0, bad - step.bad) },
        },
        queues,
      };
    },
  };
}

/** The run, where it goes on and speaks for the flag as it is. */
async function present(watched: Watched): Promise<Known<Evidence>> {
  const { state, hash } = readFlagFile(watched.flagFile);
  const position = { stage: state.stage, percent: state.percent };
  const growth = growthOf(readAudit(watched.flagFile), hash);
  const facts = await verdictFacts(watched, acceptedFlags({ file: hash, position }, position, growth));
  const { evidence } = facts;
  if (!evidence.known) return evidence;
  const { source, kind, savedAt, verdict } = evidence.value;
  const doubt = strangerBecause(evidence.value, facts) ?? futureBecause(evidence.value, watched.now());
  if (doubt !== undefined) return { known: false, why: doubt, todo: '' };
  // What was shown stays shown when the run dies of it.
  if (verdict === 'UNSAFE') return evidence;
  const goOn = `Let it go on: atma-events shadow run … --store ${source}`;
  if (kind === 'store' && evidence.value.state !== 'running') {
    return { known: false, why: `the shadow run in ${source} does not go on`, todo: goOn };
  }
  if (watched.now() - Date.parse(savedAt) > (kind === 'store' ? STALLED_MS : watched.verdictMaxAgeMs)) {
    return {
      known: false,
      why: `the shadow run in ${source} has saved nothing since ${savedAt}`,
      todo: goOn,
    };
  }
  return evidence;
}

/** Per queue, and from the fewest that were ever seen there: what is taken out makes no room. */
function createLetterCount() {
  let fewest: Map<string, number> | undefined;
  return {
    growth({ deadLetters }: QueueLook): number {
      const isFirst = fewest === undefined;
      const known = fewest ?? new Map<string, number>();
      fewest = known;
      return deadLetters.reduce((sum, { queue, messages }) => {
        const before = known.get(queue) ?? (isFirst ? messages : 0);
        known.set(queue, Math.min(before, messages));
        return sum + messages - Math.min(before, messages);
      }, 0);
    },
  };
}

function fullestOf({ bound }: QueueLook): { readonly queue: string; readonly ready: number } | undefined {
  return bound.reduce<QueueLook['bound'][number] | undefined>(
    (most, each) => (most === undefined || each.ready > most.ready ? each : most),
    undefined,
  );
}
