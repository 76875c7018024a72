/** Decisions for jobs: as flagd answers for the flags of the file, and without asking it where all jobs get the same. */
import { type Stage, stageBefore } from '../core/migration/stage.js';
import type { StageDecision, StageSource } from '../core/migration/stage-source.js';
import { FLAGD_SCHEMA, ofJobs, sampleShare, stageShare } from './flag-rules.js';
import type { FlagState } from './flag-state.js';
import { evaluatorOf } from './flagd.js';

/** In no file: stage and sample in one question, by the very same shares. Two questions would take a third longer. */
const FLAG = 'decision';

/** Its variants: the later stage or the one before it, and whether the job's callbacks belong to the sample. */
const VARIANTS = { later: 'later', laterIn: 'laterIn', earlier: 'earlier', earlierIn: 'earlierIn' } as const;

type Variant = keyof typeof VARIANTS;

export function decisionsOf(state: FlagState): StageSource['decide'] {
  const { stage, epoch, percent } = state;
  const before = percent === 100 ? undefined : stageBefore(stage);
  const later = answerIn(stage, state, 'later', 'laterIn');
  const earlier = before === undefined ? later : answerIn(before, state, 'earlier', 'earlierIn');
  const decisions: { readonly [variant in Variant]: StageDecision } = {
    later: { stage, epoch, inSample: false },
    laterIn: { stage, epoch, inSample: true },
    earlier: { stage: before ?? stage, epoch, inSample: false },
    earlierIn: { stage: before ?? stage, epoch, inSample: true },
  };
  if (before === undefined && later.same) return () => decisions[later.withoutJob];

  const shares =
    before === undefined
      ? later.rule
      : { if: [{ '===': [stageShare(stage, percent, before), stage] }, later.rule, earlier.rule] };
  const { withoutJob } = earlier;
  const flag = {
    ...{ state: 'ENABLED', variants: VARIANTS, defaultVariant: withoutJob },
    targeting: ofJobs(shares),
  };
  const flagd = evaluatorOf(JSON.stringify({ $schema: FLAGD_SCHEMA, flags: { [FLAG]: flag } }));
  return (jobId) => {
    const context = jobId === undefined ? {} : { targetingKey: jobId };
    const { value } = flagd.resolveStringEvaluation(FLAG, withoutJob, context);
    return decisions[isVariant(value) ? value : withoutJob];
  };
}

/** What the jobs of a stage get, by a rule of flagd's; and what all of them get where there is no sample to ask for. */
function answerIn(each: Stage, { samplePercent }: FlagState, out: Variant, sampled: Variant) {
  if (each !== 'rampdown' || samplePercent === 0) return { rule: out, same: true, withoutJob: out };
  if (samplePercent === 100) return { rule: sampled, same: true, withoutJob: sampled };
  return { rule: sampleShare(sampled, samplePercent, out), same: false, withoutJob: out };
}

const isVariant = (value: string): value is Variant => Object.hasOwn(VARIANTS, value);
