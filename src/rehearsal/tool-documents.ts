/** What the rehearsal reads of the commands' JSON. Names are their public contract; what else is there is theirs. */
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import type { ToolResult } from './tool.js';

export const setupDocument = z.object({
  changes: z.array(z.object({ action: z.string(), kind: z.string(), name: z.string() })),
  applied: z.boolean(),
});

export const moveDocument = z.object({
  changed: z.boolean(),
  forced: z.boolean(),
  epoch: z.number(),
  changedAt: z.string().nullable(),
  gate: z
    .object({
      open: z.boolean(),
      checks: z.array(z.object({ check: z.string(), ok: z.boolean(), text: z.string() })),
    })
    .nullable(),
});

export type MoveDocument = z.infer<typeof moveDocument>;

export const verdictDocument = z.object({
  verdict: z.enum(['SAFE', 'UNSAFE', 'INCONCLUSIVE']),
  reasons: z.array(z.object({ stratum: z.string().nullable(), code: z.string(), text: z.string() })),
  strata: z.array(z.object({ legs: z.number(), bad: z.number(), neededCleanLegs: z.number() })),
});

export type VerdictDocument = z.infer<typeof verdictDocument>;

export const reportDocument = z.object({
  legs: z.object({
    ...{ match: z.number(), mismatch: z.number(), refused: z.number(), duplicate: z.number() },
    ...{ invalid: z.number(), pending: z.number() },
  }),
});

export const replayDocument = z.object({
  replayed: z.number(),
  boomeranged: z.number(),
  left: z.number().nullable(),
});

export const purgeDocument = z.object({ deleted: z.number(), left: z.number().nullable() });

export const historyDocument = z.object({
  entries: z.array(z.object({ action: z.string(), forced: z.boolean() })),
  verified: z.object({ entries: z.number(), problems: z.array(z.string()) }).nullable(),
});

/** The document of a command that has to have printed one. Throws `input-invalid`. */
export function documentOf<T>(schema: z.ZodType<T>, result: ToolResult): T {
  const parsed = schema.safeParse(result.json);
  if (parsed.success) return parsed.data;
  throw new EventsError(
    'input-invalid',
    `atma-events ${result.command} ended with ${result.exitCode} and printed no such document: ${result.said}`,
    { cause: parsed.error },
  );
}
