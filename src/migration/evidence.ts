/** What a shadow run says for the gate: its verdict, and what that is about. From its store, or from what was saved of it. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { isoTime } from '../core/events/iso-time.js';
import { parseJson } from '../core/events/json.js';
import type { ShadowPolicy } from '../core/shadow-policy.js';
import { judgeFound } from '../shadow/found-run.js';
import { readRun, type StoredRun } from '../shadow/read-run.js';
import type { RunSummary } from '../shadow/run-summary.js';
import type { Judgement, Verdict } from '../shadow/verdict.js';

export interface Evidence {
  readonly verdict: Verdict;
  /** Digest of the mapping by which was compared. */
  readonly mapping: string;
  /** Hash of the flag file when the run began; null: no file, or not known (`flags` is empty then). */
  readonly flag: string | null;
  /** What the flag file was while the run was recorded, in order, `flag` first. Null among them: no file. */
  readonly flags: readonly (string | null)[];
  /** ISO 8601, as `savedAt`, up to which it was recorded. */
  readonly startedAt: string;
  readonly savedAt: string;
  readonly state: StoredRun['state'];
  /** The file it comes from, and what that is: a run's store, or the JSON of `shadow verdict`. */
  readonly source: string;
  readonly kind: 'store' | 'file';
  /** Closed legs that are evidence, over all strata, and how many of them are bad. */
  readonly legs: number;
  readonly bad: number;
}

/** Where evidence is to be found; `path` is absolute. */
export interface EvidenceSource {
  readonly kind: Evidence['kind'];
  readonly path: string;
}

/**
 * The evidence as it is now. Throws `usage` where there is none, `storage` or `input-invalid` for a file that is something
 * else, `config-invalid` for a policy that does not fit the run.
 */
export function readEvidence({ kind, path }: EvidenceSource, policy: ShadowPolicy, now: number): Evidence {
  if (kind === 'file') return readEvidenceFile(path);
  const run = readRun(path);
  try {
    const { summary, judgement } = judgeFound(run, policy, now);
    return evidenceOfRun(run, { summary, judgement }, path);
  } finally {
    run.close();
  }
}

/** Of a run that was judged already. */
export function evidenceOfRun(
  run: Pick<StoredRun, 'mapping' | 'flags' | 'startedAt' | 'savedAt' | 'state'>,
  judged: { readonly summary: RunSummary; readonly judgement: Judgement },
  path: string,
): Evidence {
  const { strata } = judged.summary.counts;
  const flags = run.flags.map(({ hash }) => hash);
  return {
    verdict: judged.judgement.verdict,
    mapping: run.mapping,
    flag: flags[0] ?? null,
    flags,
    startedAt: isoTime(run.startedAt),
    savedAt: isoTime(run.savedAt),
    state: run.state,
    source: path,
    kind: 'store',
    legs: strata.reduce((sum, { legs }) => sum + legs, 0),
    bad: strata.reduce((sum, { bad }) => sum + bad, 0),
  };
}

/** What `shadow verdict --json` says of it. Field names are a public contract. */
export function evidenceDocument({ mapping, flag, flags, savedAt, legs, bad }: Evidence): object {
  return { mapping, flag, flags, savedAt, legs, bad };
}

const documentSchema = z.looseObject({
  verdict: z.enum(['SAFE', 'UNSAFE', 'INCONCLUSIVE']),
  evidence: z.looseObject({
    mapping: z.string(),
    flag: z.string().nullable(),
    flags: z.array(z.string().nullable()),
    savedAt: z.iso.datetime(),
    legs: z.int().nonnegative(),
    bad: z.int().nonnegative(),
  }),
  run: z.looseObject({ state: z.enum(['running', 'ended', 'stopped']), startedAt: z.iso.datetime() }),
});

const MOST_BYTES = 16 * 2 ** 20;

function readEvidenceFile(path: string): Evidence {
  const parsed = parseJson(textOf(path));
  const document = documentSchema.safeParse('value' in parsed ? parsed.value : undefined);
  if (!document.success) {
    throw new EventsError('input-invalid', `${path} is not what shadow verdict --json prints`, {
      cause: document.error,
      hint: `Write it again, where the run is: atma-events shadow verdict --json > ${path}`,
    });
  }
  const { verdict, evidence, run } = document.data;
  const { mapping, flag, flags, savedAt, legs, bad } = evidence;
  const { state, startedAt } = run;
  return { verdict, mapping, flag, flags, startedAt, savedAt, state, source: path, kind: 'file', legs, bad };
}

function textOf(path: string): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length <= MOST_BYTES) return bytes.toString('utf8');
  } catch (error) {
    throw new EventsError('input-invalid', `Cannot read ${path}`, {
      cause: error,
      hint: 'It is to hold what shadow verdict --json prints.',
    });
  }
  throw new EventsError('input-invalid', `${path} is too large to be a verdict`, {
    hint: 'It is to hold what shadow verdict --json prints.',
  });
}
