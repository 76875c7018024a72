/**
 * The text of a flag file, read and written. What is read is compared with what a move would have written: a file that means
 * something else than our stages is refused, not interpreted. docs/migration.md lists what is accepted.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { isStage, type Position, stageBefore } from '../core/migration/stage.js';
import type { StageSource } from '../core/migration/stage-source.js';
import { lineForPeople } from '../core/safe-text.js';
import { decisionsOf } from './flag-decision.js';
import {
  EVENTS_FLAG,
  eventsRule,
  FLAGD_SCHEMA,
  flagsOf,
  type Rule,
  SAMPLE_FLAG,
  STAGE_FLAG,
  sampleRule,
  stageRule,
} from './flag-rules.js';
import {
  cleanText,
  DEFAULT_SAMPLE,
  type FlagState,
  flagInvalid,
  LONGEST_NAME,
  LONGEST_REASON,
} from './flag-state.js';
import { schemaComplaint } from './flagd.js';

export type { FlagState } from './flag-state.js';

/** A flag that was read: what it says, and what that means for a job. */
export interface MigrationFlag extends StageSource {
  readonly state: FlagState;
}

const percent = z.number().int().min(1).max(100);

const Metadata = z.object({
  epoch: z.number().int().min(0).optional(),
  percent: percent.optional(),
  samplePercent: z.number().int().min(0).max(100).optional(),
  changedAt: z.iso.datetime({ offset: true }).optional(),
  changedBy: z.string().optional(),
  reason: z.string().optional(),
  audit: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex')
    .optional(),
});

const Flag = z.object({
  state: z.literal('ENABLED', { error: 'must be ENABLED: a disabled flag says nothing' }),
  variants: z.record(z.string(), z.unknown()),
  defaultVariant: z.string(),
  targeting: z.looseObject({}).optional(),
});

const Document = z.looseObject({
  flags: z.looseObject({
    [STAGE_FLAG]: Flag.extend({ metadata: Metadata.optional() }),
    [EVENTS_FLAG]: Flag.optional(),
    [SAMPLE_FLAG]: Flag.optional(),
  }),
});

type ReadFlag = z.infer<typeof Flag>;

/** Where a split says its percentage. */
const Split = z.object({
  if: z.tuple([
    z.unknown(),
    z.object({ fractional: z.tuple([z.unknown(), z.tuple([z.string(), percent]), z.unknown()]) }),
    z.null(),
  ]),
});

const REPAIR_HINT =
  'Repair it: docs/migration.md lists what is accepted. Or move it away, and go back to the callbacks: atma-events flag off.';
const START_HINT = `Add a flag "${STAGE_FLAG}" by hand to begin with: {"state": "ENABLED", "variants": {"off": "off"}, "defaultVariant": "off"}.`;

/** SHA-256 of a whole file, in hex. */
export function fileHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Reads the text of a flag file; `name` is how errors call it. Throws `flag-invalid`. */
export function readFlag(text: string, name = 'The flag file'): MigrationFlag {
  const state = stateOf(text, name);
  return { state, decide: decisionsOf(state) };
}

/** The text of a flag file that says `state`. `text`: the file so far, whose other flags stay; it must be one that can be read. */
export function writeFlag(text: string | undefined, state: FlagState): string {
  const before = text === undefined ? {} : fieldsOf(JSON.parse(text));
  const flags = { ...fieldsOf(before.flags), ...flagsOf(state) };
  const document = { $schema: FLAGD_SCHEMA, ...before, flags };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** In their order, which a schema would change. */
function fieldsOf(value: unknown): { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function stateOf(text: string, name: string): FlagState {
  const { flags } = parse(text, name);
  const stageFlag = flags[STAGE_FLAG];
  const { metadata = {} } = stageFlag;
  const refuse = (what: string) => flagInvalid(`${name}: ${lineForPeople(what)}`, REPAIR_HINT);

  const position = positionIn(stageFlag);
  if (position === undefined) {
    throw refuse(`"${STAGE_FLAG}" is no stage, or a share of jobs that no move of the flag writes`);
  }
  if (metadata.percent !== undefined && metadata.percent !== position.percent) {
    throw refuse(
      `"${STAGE_FLAG}" is for ${position.percent} % of the jobs, and its metadata say ${metadata.percent} %`,
    );
  }
  const events = flags[EVENTS_FLAG];
  if (events !== undefined && !follows(events, eventsRule(position), { on: true, off: false })) {
    throw refuse(`"${EVENTS_FLAG}" disagrees with "${STAGE_FLAG}"`);
  }
  const sampled = flags[SAMPLE_FLAG];
  const sample = sampled === undefined ? (metadata.samplePercent ?? DEFAULT_SAMPLE) : sampleIn(sampled);
  if (sample === undefined)
    throw refuse(`"${SAMPLE_FLAG}" is no share of jobs that a move of the flag writes`);
  if (metadata.samplePercent !== undefined && metadata.samplePercent !== sample) {
    throw refuse(
      `"${SAMPLE_FLAG}" is for ${sample} % of the jobs, and the metadata say ${metadata.samplePercent} %`,
    );
  }
  const { epoch = 0, changedAt = null, changedBy, reason, audit = null } = metadata;
  return {
    ...position,
    samplePercent: sample,
    epoch,
    changedAt,
    changedBy: changedBy === undefined ? null : cleanText(changedBy, LONGEST_NAME),
    reason: reason === undefined ? null : cleanText(reason, LONGEST_REASON),
    audit,
  };
}

function parse(text: string, name: string): z.infer<typeof Document> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const what = text.trim() === '' ? 'is empty' : 'is not JSON, or only a part of it';
    throw flagInvalid(`${name} ${what}`, REPAIR_HINT, error);
  }
  const flags = z.object({ flags: z.looseObject({}) }).safeParse(json);
  if (flags.success && !Object.hasOwn(flags.data.flags, STAGE_FLAG)) {
    throw flagInvalid(`${name} holds no flag "${STAGE_FLAG}"`, START_HINT);
  }
  const parsed = Document.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const what = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
    throw flagInvalid(`${name}: ${lineForPeople(what)}`, REPAIR_HINT);
  }
  const complaint = schemaComplaint(text);
  if (complaint !== undefined) {
    throw flagInvalid(
      `${name} is no flag file for flagd: ${complaint}`,
      'Repair the flag that is named there.',
    );
  }
  return parsed.data;
}

function positionIn(flag: ReadFlag): Position | undefined {
  const value = flag.variants[flag.defaultVariant];
  if (isConstant(flag)) return isStage(value) ? { stage: value, percent: 100 } : undefined;
  const share = shareIn(flag);
  if (share === undefined || !isStage(share.first)) return undefined;
  const position = { stage: share.first, percent: share.percent };
  const variants = { [share.first]: share.first, [stageBefore(share.first) ?? '']: stageBefore(share.first) };
  return follows(flag, stageRule(position), variants) ? position : undefined;
}

function sampleIn(flag: ReadFlag): number | undefined {
  const sample = isConstant(flag)
    ? flag.variants[flag.defaultVariant] === true
      ? 100
      : 0
    : shareIn(flag)?.percent;
  if (sample === undefined) return undefined;
  return follows(flag, sampleRule(sample), { in: true, out: false }) ? sample : undefined;
}

const isConstant = ({ targeting }: ReadFlag) =>
  targeting === undefined || Object.keys(targeting).length === 0;

function shareIn({ targeting }: ReadFlag): { readonly first: string; readonly percent: number } | undefined {
  const split = Split.safeParse(targeting);
  if (!split.success) return undefined;
  const [first, share] = split.data.if[1].fractional[1];
  return { first, percent: share };
}

/** Whether the flag answers every job as the rule does. A constant may call its variants as it likes. */
function follows(flag: ReadFlag, rule: Rule, variants: { readonly [name: string]: unknown }): boolean {
  if (rule.targeting === undefined) {
    return isConstant(flag) && flag.variants[flag.defaultVariant] === variants[rule.defaultVariant];
  }
  return (
    flag.defaultVariant === rule.defaultVariant &&
    isDeepStrictEqual(flag.targeting, rule.targeting) &&
    Object.entries(variants).every(([variant, value]) => flag.variants[variant] === value)
  );
}
