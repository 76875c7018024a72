/** Whether a shadow run speaks for a move. Pure. */
import type { Evidence } from './evidence.js';
import { type GateCheck, notOk, ok } from './gate-check.js';
import type { Known } from './known.js';

export interface VerdictFacts {
  readonly evidence: Known<Evidence>;
  /** Digest of the present mapping. */
  readonly mapping: string;
  /**
   * What the flag file may have been during the run: the present one, and where a percentage grows, what it was since
   * that stage began. Null stands for no file.
   */
  readonly flags: readonly (string | null)[];
  /** For the command to type. */
  readonly flagFile: string;
  readonly maxAgeMs: number;
  readonly now: number;
}

/** Clocks of two hosts may differ by this much before a verdict is from the future. Milliseconds. */
const SKEW_MS = 60_000;

export function checkVerdict(facts: VerdictFacts): GateCheck {
  const { evidence } = facts;
  if (!evidence.known) {
    return notOk('verdict', `The verdict cannot be known: ${evidence.why}. ${evidence.todo}`);
  }
  const { verdict, savedAt, legs, bad } = evidence.value;
  const problems = problemsOf(evidence.value, facts);
  const counted = `${legs.toLocaleString('en-US')} legs, ${bad.toLocaleString('en-US')} bad, saved ${savedAt}`;
  if (problems.length > 0) return notOk('verdict', `${problems.join(' ')} (${verdict}: ${counted}.)`);
  return ok('verdict', `${verdict}: ${counted}.`);
}

/** Why a run does not speak for the flag as it is, whatever it found; undefined where it does. */
export function strangerBecause(
  { mapping, flags, source }: Evidence,
  facts: Pick<VerdictFacts, 'mapping' | 'flags' | 'flagFile'>,
): string | undefined {
  const again = `Start a new run: atma-events shadow run … --store NEW.db --flag-file ${facts.flagFile}`;
  if (mapping !== facts.mapping) {
    return `${source} was compared by another mapping than the present one. ${again}`;
  }
  if (flags.length === 0) {
    return `${source} does not say what the flag file was while it was recorded. ${again}`;
  }
  if (!flags.every((hash) => facts.flags.includes(hash))) {
    return `${source} was recorded, at least in part, while the flag was elsewhere. ${again}`;
  }
  return undefined;
}

/** Why its time cannot be believed: whoever saved it has another clock, and nobody knows how old it is. */
export function futureBecause(
  { source, savedAt }: Pick<Evidence, 'source' | 'savedAt'>,
  now: number,
): string | undefined {
  const ahead = Date.parse(savedAt) - now;
  return ahead > SKEW_MS ? `${source} was saved ${minutes(ahead)} from now: set the clocks right` : undefined;
}

function problemsOf(evidence: Evidence, facts: VerdictFacts): readonly string[] {
  const { verdict, source, savedAt } = evidence;
  const age = facts.now - Date.parse(savedAt);
  const stranger = strangerBecause(evidence, facts);
  return [
    ...(verdict === 'SAFE' ? [] : [`The verdict is ${verdict}: see why with ${lookCommand(evidence)}.`]),
    ...(age > facts.maxAgeMs
      ? [
          `The verdict is ${minutes(age)} old, and may be ${minutes(facts.maxAgeMs)}: keep shadow run going, and judge ${source} anew.`,
        ]
      : []),
    ...[futureBecause(evidence, facts.now), stranger].flatMap((each) =>
      each === undefined ? [] : [`${each}.`],
    ),
  ];
}

function lookCommand({ source, kind }: Evidence): string {
  return kind === 'store' ? `atma-events shadow verdict --store ${source}` : `what ${source} holds`;
}

function minutes(ms: number): string {
  const whole = Math.max(1, Math.floor(ms / 60_000));
  if (whole < 120) return `${whole} min`;
  const hours = Math.floor(whole / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}
