/** Groups legs that are not in order by their cause. */
import type { Details } from './details.js';

/** One text per cause, the same for every leg of it; empty for a match. */
export function reasonKey(details: Details | undefined): string {
  if (details === undefined) return '';
  const { kind } = details;
  switch (kind) {
    case 'invalid':
      return `${kind} ${details.problem}`;
    case 'refused': {
      const drifts = details.drifts.map((drift) => `${drift.kind}:${drift.field}`).join();
      return `${kind} ${details.status} ${details.alias ?? ''} ${drifts}`;
    }
    case 'mismatch':
      return `${kind} ${details.fields.map(({ field, changed }) => `${field}${changed ? ` changed by ${changed}` : ''}`).join()}`;
    case 'missingEvent':
      return `${kind} ${details.because}`;
    case 'missingCallback':
      return `${kind}${details.inGap ? ' in gap' : ''}`;
    case 'duplicate': {
      const both = details.bothApplied ? ' both applied' : '';
      const events = details.events > 1 ? ` events${details.sameMessage ? ' of one id' : ''}` : '';
      return `${kind}${both}${events}${details.callbacks > 1 ? ' callbacks' : ''}`;
    }
    case 'outOfOrder':
      return `${kind} ${details.what}`;
    case 'late':
      return kind;
  }
}
