/** What a dispatcher does with one fact, decided before anything is sent. */
import { PATHS } from '../core/migration/stage.js';
import type { StageDecision } from '../core/migration/stage-source.js';

export interface DispatchPlan {
  /** `beside`: the callbacks count, the event goes beside them. `first`: the event counts, and goes before anything else. */
  readonly event: 'none' | 'beside' | 'first';
  /** `applied`: awaited, and a failure rejects. `dry-run`: handed over. `skipped`: they would be, but too many wait. */
  readonly callbacks: 'applied' | 'dry-run' | 'skipped' | 'none';
}

/**
 * | stage | event | callbacks |
 * |---|---|---|
 * | off | none | applied |
 * | publish, shadow | beside | applied |
 * | live | first | dry run |
 * | rampdown, job in the sample | first | dry run |
 * | rampdown, job not in the sample | first | none |
 * | complete | first | none |
 *
 * A type without routes has no callbacks in any stage; a callback in dry run without `room` for it is skipped.
 */
export function planDispatch(
  { stage, inSample }: StageDecision,
  { routes, room }: { readonly routes: number; readonly room: boolean },
): DispatchPlan {
  const { callbacks, events, authoritative } = PATHS[stage];
  const event = events === 'none' ? 'none' : authoritative === 'callbacks' ? 'beside' : 'first';
  if (routes === 0 || callbacks === 'none' || (callbacks === 'sample' && !inSample)) {
    return { event, callbacks: 'none' };
  }
  if (callbacks === 'applied') return { event, callbacks: 'applied' };
  return { event, callbacks: room ? 'dry-run' : 'skipped' };
}
