/**
 * The mapping of shadow mode: which callback each event replaces at each consumer, and how the two are compared. Data
 * only, so that presets and config files can hold it. What it means is in docs/shadow.md.
 */
import { z } from 'zod';
import { EventsError } from './errors.js';
import { fieldIssues } from './events/field-issues.js';

/** Dotted, into the JSON body: `metadata.processingTime`. */
const path = z.string().min(1);
/** The first of them that is there counts: names that mean the same, `resultId` and `result_id`. */
const paths = z.array(path).min(1);
const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** Where a value is found on one side, or what stands for it where the body need not say it. */
const sideSchema = z.union([paths, z.strictObject({ constant: scalar })]);

const fieldSchema = z.strictObject({
  /** How reports call it. */
  name: z.string().min(1),
  callback: sideSchema,
  event: sideSchema,
  /** Groups of values that mean the same: `[["completed", "berhasil"]]`. */
  same: z.array(z.array(scalar).min(2)).default([]),
  /** How far two numbers, or two times (in milliseconds), may be apart. */
  tolerance: z
    .union([
      z.strictObject({ number: z.number().positive() }),
      z.strictObject({ timeMs: z.number().positive() }),
    ])
    .optional(),
  /** Compared only where both sides have it. */
  optional: z.boolean().default(false),
  /** Another value is another attempt of the job. One field per leg at most. */
  identifies: z.boolean().default(false),
});

/** What the receiver is known to insist on, so that a refusal can be told in words. */
const expectationSchema = z.strictObject({
  /** Must be in the body and not be null. */
  field: z.string().min(1),
  /** Names under which the sender may send the same thing instead. */
  insteadOf: z.array(z.string().min(1)).default([]),
});

const callbackSchema = z.strictObject({
  method: z.string().regex(/^[A-Z]+$/, { error: 'expected a method in capitals, such as "POST"' }),
  path: z.string().startsWith('/'),
  /** Other paths that senders use for the same callback, whether the receiver has them or not. */
  aliases: z.array(z.string().startsWith('/')).default([]),
  /** Where the job's id is. */
  job: paths,
  /** Where the number of the attempt is, if the body has one. */
  attempt: paths.optional(),
  expects: z.array(expectationSchema).default([]),
});

const legSchema = z
  .strictObject({
    eventType: z.string().min(1),
    /** How reports call the consumer. */
    consumer: z.string().min(1),
    /** The consumer's queue: what is bound to it reaches the consumer. */
    queue: z.string().min(1),
    /** Legs of one consumer with the same fact are its alternatives: `completed` or `failed`. Default: the event type. */
    fact: z.string().min(1).optional(),
    /** The event says that an attempt of the job begins. It has no callback; its presence and order are judged. */
    begins: z.boolean().default(false),
    /** Without one, the presence of the event is judged. */
    callback: callbackSchema.optional(),
    event: z.strictObject({
      job: paths,
      attempt: paths.optional(),
      /** How long the attempt took, in milliseconds: a beginning before the events were recorded is not missed. */
      tookMs: paths.optional(),
    }),
    fields: z.array(fieldSchema).default([]),
    /** Paths that are not compared; everything below them, too. */
    ignore: z
      .strictObject({ callback: z.array(path).default([]), event: z.array(path).default([]) })
      .default({ callback: [], event: [] }),
  })
  .refine(({ begins, callback }) => !begins || callback === undefined, {
    error: 'an event that begins an attempt has no callback',
    path: ['callback'],
  })
  .refine(({ fields }) => fields.filter(({ identifies }) => identifies).length <= 1, {
    error: 'only one field may identify an attempt',
    path: ['fields'],
  });

export const shadowMappingSchema = z
  .strictObject({
    legs: z.array(legSchema).min(1),
    /** Paths, on either side, whose values are never stored nor shown. */
    redact: z.array(path).default([]),
  })
  .superRefine(({ legs }, context) => {
    const clash = (index: number, message: string) =>
      context.addIssue({ code: 'custom', path: ['legs', index], message });
    const strata = new Set<string>();
    const routes = new Set<string>();
    for (const [index, { eventType, consumer, callback }] of legs.entries()) {
      const stratum = JSON.stringify([eventType, consumer]);
      if (strata.has(stratum)) clash(index, `"${eventType}" at "${consumer}" is mapped twice`);
      strata.add(stratum);
      for (const each of callback === undefined ? [] : [callback.path, ...callback.aliases]) {
        const route = `${callback?.method} ${each}`;
        if (routes.has(route)) clash(index, `${route} is the callback of two legs`);
        routes.add(route);
      }
    }
  });

/** What presets and config files write; everything with a default may be left out. */
export type ShadowMapping = z.input<typeof shadowMappingSchema>;
/** A mapping that was parsed: defaults filled in. */
export type ParsedShadowMapping = z.output<typeof shadowMappingSchema>;
export type LegMapping = ParsedShadowMapping['legs'][number];
export type FieldMapping = LegMapping['fields'][number];

/** The mapping with its defaults. Throws `config-invalid` with one issue per field. */
export function parseShadowMapping(mapping: unknown): ParsedShadowMapping {
  const result = shadowMappingSchema.safeParse(mapping);
  if (result.success) return result.data;
  throw new EventsError('config-invalid', 'The shadow mapping cannot be used', {
    issues: fieldIssues(result.error.issues),
    hint: 'docs/shadow.md explains the mapping; src/presets/atma-shadow.ts is a complete one.',
  });
}
