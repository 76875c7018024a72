/** How a refused body differs from what its receiver is known to insist on. */
import type { LegMapping } from '../core/shadow-mapping.js';

export type Drift =
  /** Sent under another name. */
  | { readonly kind: 'renamed'; readonly field: string; readonly sent: string }
  | { readonly kind: 'missing'; readonly field: string }
  | { readonly kind: 'null'; readonly field: string };

export const NO_DRIFTS: readonly Drift[] = [];

/** The receiver found fault with the body, as far as a status can say so. */
export function blamesBody(status: number): boolean {
  return status === 400 || status === 409 || status === 415 || status === 422;
}

/** In the order in which the mapping expects the fields. */
export function driftsOf(route: LegMapping['callback'], body: unknown): readonly Drift[] {
  if (route === undefined || typeof body !== 'object' || body === null) return NO_DRIFTS;
  const has = (name: string) => Object.hasOwn(body, name);
  return route.expects.flatMap(({ field, insteadOf }): Drift[] => {
    if (has(field)) return (body as Record<string, unknown>)[field] === null ? [{ kind: 'null', field }] : [];
    const sent = insteadOf.find(has);
    return sent === undefined ? [{ kind: 'missing', field }] : [{ kind: 'renamed', field, sent }];
  });
}
