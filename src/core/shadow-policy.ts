/**
 * How the verdict of a shadow run is reached, as data: what presets have no opinion on and projects decide. Beside the
 * mapping, for the same reason: config files hold it, and may not import `shadow`.
 */
import { z } from 'zod';

const waiverSchema = z.strictObject({
  who: z.string().min(1),
  /** The day on which it was written down. */
  when: z.union([z.iso.date(), z.iso.datetime({ offset: true })], {
    error: 'expected a day such as "2024-03-01", or an ISO 8601 time',
  }),
  why: z.string().min(1),
});

/** What holds for one event type at one consumer. */
export const stratumPolicySchema = z.strictObject({
  eventType: z.string().min(1),
  consumer: z.string().min(1),
  /** p0: a share of bad legs this high must not pass; p1 is a tenth of it. Above 0, below 1. Default: 0.001. */
  tolerated: z.number().gt(0).lt(1).optional(),
  /** Excuses a lack of evidence, never evidence against it. */
  waiver: waiverSchema.optional(),
});

export const strataPolicySchema = z
  .array(stratumPolicySchema)
  .default([])
  .superRefine((strata, context) => {
    const seen = new Set<string>();
    for (const [index, { eventType, consumer }] of strata.entries()) {
      const key = JSON.stringify([eventType, consumer]);
      if (seen.has(key)) {
        const message = `"${eventType}" at "${consumer}" stands there twice`;
        context.addIssue({ code: 'custom', path: [index], message });
      }
      seen.add(key);
    }
  });

export interface StratumPolicy {
  readonly eventType: string;
  readonly consumer: string;
  readonly tolerated?: number | undefined;
  readonly waiver?: { readonly who: string; readonly when: string; readonly why: string } | undefined;
}

/** An event that came a minute after its callback did not come in time, unless somebody says so. Milliseconds. */
export const DEFAULT_BUDGET_MS = 60_000;

export interface ShadowPolicy {
  /** An event that comes later than its callback by more than this counts against latency. Settings always have one. */
  readonly budgetMs?: number;
  readonly strata: readonly StratumPolicy[];
}
