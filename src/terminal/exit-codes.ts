import type { ErrorCode } from '../core/errors.js';

/** How a command ended; `docs/exit-codes.md` explains each. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  partly: 3,
  difference: 4,
  unreachable: 5,
  inconclusive: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Every error code has its exit code; a new code does not compile without one. */
const BY_ERROR: { readonly [code in ErrorCode]: ExitCode } = {
  usage: EXIT.usage,
  'config-invalid': EXIT.usage,
  'event-unknown': EXIT.usage,
  'event-invalid': EXIT.usage,
  'input-invalid': EXIT.usage,
  unroutable: EXIT.failed,
  'exchange-missing': EXIT.failed,
  'queue-missing': EXIT.failed,
  'queue-locked': EXIT.failed,
  'publish-refused': EXIT.failed,
  'publish-unknown': EXIT.unreachable,
  'topology-conflict': EXIT.difference,
  unreachable: EXIT.unreachable,
  'access-refused': EXIT.unreachable,
  unsupported: EXIT.usage,
  busy: EXIT.failed,
  'effect-unknown': EXIT.failed,
  'callback-refused': EXIT.failed,
  'flag-invalid': EXIT.usage,
  'flag-moved': EXIT.difference,
  'gate-refused': EXIT.difference,
  storage: EXIT.failed,
  closed: EXIT.failed,
  timeout: EXIT.failed,
  interrupted: EXIT.interrupted,
};

/** The exit code of an error code. */
export function exitCodeOf(code: ErrorCode): ExitCode {
  return BY_ERROR[code];
}
