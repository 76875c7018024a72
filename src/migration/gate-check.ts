/** One thing that the gate looks at. */
export type CheckName = 'step' | 'reason' | 'verdict' | 'dead-letters' | 'consumers' | 'second-person';

export interface GateCheck {
  readonly check: CheckName;
  readonly ok: boolean;
  /** What is, and what to do where it is not in order. Names in it come from outside. */
  readonly text: string;
}

export function ok(check: CheckName, text: string): GateCheck {
  return { check, ok: true, text };
}

export function notOk(check: CheckName, text: string): GateCheck {
  return { check, ok: false, text };
}
