/** What is said of a run when it has ended: in short for people, in full for programs. */
import { isEventsError } from '../core/errors.js';
import { isoTime } from '../core/events/iso-time.js';
import type { ShadowPolicy } from '../core/shadow-policy.js';
import { judgeFound } from '../shadow/found-run.js';
import { OUTCOMES } from '../shadow/leg.js';
import { thousands } from '../shadow/quantities.js';
import { readRun } from '../shadow/read-run.js';
import { OUTCOME_NAMES } from '../shadow/report/figures.js';
import { reportDocument } from '../shadow/report/json.js';
import { lineForPeople } from '../terminal/safe-text.js';

/** The first are the ones that decide. */
const REASONS = 3;

export interface RunEnd {
  readonly document: object;
  readonly text: string;
}

/** From the store; undefined when nothing was ever saved there. */
export function judgeStored(path: string, policy: ShadowPolicy, now: number): RunEnd | undefined {
  let stored: ReturnType<typeof readRun>;
  try {
    stored = readRun(path);
  } catch (error) {
    if (isEventsError(error, 'usage') || isEventsError(error, 'storage')) return undefined;
    throw error;
  }
  try {
    const { startedAt, savedAt, state } = stored;
    const { summary, judgement } = judgeFound(stored, policy, now);
    const { totals } = summary.counts;
    const counts = [
      `${thousands(totals.match)} ${OUTCOME_NAMES.match}`,
      ...OUTCOMES.filter((outcome) => outcome !== 'match' && totals[outcome] > 0).map(
        (outcome) => `${thousands(totals[outcome])} ${OUTCOME_NAMES[outcome]}`,
      ),
      `${thousands(totals.pending)} open`,
      ...(totals.extra > 0 ? [`${thousands(totals.extra)} sightings of no leg`] : []),
    ];
    const reasons = judgement.reasons.map(
      ({ stratum, text }) => `  ${stratum === null ? '' : `${stratum}: `}${text}`,
    );
    const run = {
      store: path,
      state,
      startedAt: isoTime(startedAt),
      savedAt: isoTime(Math.min(savedAt, now)),
    };
    return {
      document: { ...reportDocument(summary, judgement), run },
      text: [
        `Legs: ${counts.join(', ')}`,
        judgement.verdict,
        ...reasons.slice(0, REASONS),
        ...(reasons.length > REASONS
          ? [`  … and ${reasons.length - REASONS} more reasons: shadow verdict`]
          : []),
      ]
        .map(lineForPeople)
        .join('\n'),
    };
  } finally {
    stored.close();
  }
}
