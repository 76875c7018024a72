/** The migration plan's own switch, for a service without a flag file. */
import { EventsError } from '../core/errors.js';
import type { StageSource } from '../core/migration/stage-source.js';

/**
 * `USE_EVENT_DRIVEN=true` is `live` for all jobs; `false`, empty or not set is `off`. It does not move while the process
 * lives, and its epoch is 0. Throws `usage` on anything else: a typo must not decide whose effects count.
 */
export function environmentStage(environment: { readonly [name: string]: string | undefined }): StageSource {
  const text = environment.USE_EVENT_DRIVEN?.trim().toLowerCase() ?? '';
  if (text !== 'true' && text !== 'false' && text !== '') {
    throw new EventsError('usage', `USE_EVENT_DRIVEN is ${JSON.stringify(text)}`, {
      hint: 'It is true or false. For stages and percentages, use a flag file: ATMA_EVENTS_FLAG_FILE.',
    });
  }
  const decision = { stage: text === 'true' ? 'live' : 'off', epoch: 0, inSample: true } as const;
  return { decide: () => decision };
}
