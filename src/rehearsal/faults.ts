/**
 * The faults that a rehearsal plants: which there are, in which stages each makes sense, and the plan of a run, standard or
 * from a file. What each does, and who has to report it: docs/rehearsal.md.
 */
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { closest } from '../core/events/closest.js';
import { fieldIssues } from '../core/events/field-issues.js';
import { STAGES, type Stage } from '../core/migration/stage.js';

export const FAULTS = [
  'notification-killed',
  'assessment-killed',
  'worker-killed',
  'broker-restarted',
  'exchange-deleted',
  'callbacks-500',
  'callbacks-400',
  'slow-consumer',
  'duplicate-publish',
  'poison-event',
  'rejecting-consumer',
  'drift',
] as const;

export type FaultName = (typeof FAULTS)[number];

export interface PlannedFault {
  readonly fault: FaultName;
  readonly stage: Stage;
}

/** Where each makes sense: where something is there for it to break, and somebody there to report it. */
export const STAGES_OF: { readonly [F in FaultName]: readonly Stage[] } = {
  'notification-killed': STAGES,
  'assessment-killed': STAGES,
  'worker-killed': STAGES,
  'broker-restarted': STAGES,
  'exchange-deleted': ['live', 'rampdown', 'complete'],
  'callbacks-500': ['off', 'publish', 'shadow'],
  'callbacks-400': ['off', 'publish', 'live'],
  'slow-consumer': STAGES,
  'duplicate-publish': ['live'],
  'poison-event': ['live'],
  'rejecting-consumer': ['live', 'rampdown', 'complete'],
  drift: ['shadow', 'live'],
};

/** It is planted while a shadow run watches, because its report is what has to tell of it. */
export function isWatched({ fault, stage }: PlannedFault): boolean {
  return (
    fault === 'duplicate-publish' ||
    fault === 'poison-event' ||
    (fault === 'callbacks-400' && stage === 'live')
  );
}

export const STANDARD_FAULTS: readonly PlannedFault[] = STAGES.flatMap((stage) =>
  [
    'notification-killed' as const,
    ...(
      {
        off: ['callbacks-500'],
        publish: ['callbacks-400'],
        shadow: ['drift'],
        live: ['exchange-deleted', 'broker-restarted', 'callbacks-400', 'duplicate-publish', 'poison-event'],
        rampdown: ['slow-consumer'],
        complete: ['rejecting-consumer'],
      } as const
    )[stage],
  ].map((fault) => ({ fault, stage })),
);

const fileSchema = z.strictObject({
  faults: z.array(z.strictObject({ fault: z.enum(FAULTS), stage: z.enum(STAGES) })),
});

/**
 * The faults of a file's text, `{"faults": [{"fault", "stage"}]}`. Throws `input-invalid` for anything else, for a fault in
 * a stage in which it makes no sense, and for one that stands there twice.
 */
export function parseFaults(text: string, name: string): readonly PlannedFault[] {
  const parsed = fileSchema.safeParse(jsonOf(text, name));
  if (!parsed.success) {
    const [issue] = fieldIssues(parsed.error.issues);
    throw notFaults(`${name}: ${issue?.path ?? ''}: ${issue?.message ?? 'not a list of faults'}`, text);
  }
  const seen = new Set<string>();
  for (const { fault, stage } of parsed.data.faults) {
    const key = `${fault} in ${stage}`;
    if (!STAGES_OF[fault].includes(stage)) {
      throw notFaults(`${name}: "${fault}" makes no sense in ${stage}: ${STAGES_OF[fault].join(', ')}`);
    }
    if (seen.has(key)) throw notFaults(`${name}: ${key} stands there twice`);
    seen.add(key);
  }
  return parsed.data.faults;
}

function jsonOf(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EventsError('input-invalid', `${name} is not JSON`, { cause: error });
  }
}

function notFaults(message: string, text = ''): EventsError {
  const wrong = /"fault"\s*:\s*"([^"]*)"/g;
  const unknown = [...text.matchAll(wrong)].map(([, found = '']) => found).find((found) => !isFault(found));
  const near = unknown === undefined ? undefined : closest(unknown, [...FAULTS]);
  return new EventsError('input-invalid', message, {
    hint: near === undefined ? `Faults: ${FAULTS.join(', ')}.` : `Did you mean "${near}"?`,
  });
}

const isFault = (text: string): text is FaultName => FAULTS.some((fault) => fault === text);
