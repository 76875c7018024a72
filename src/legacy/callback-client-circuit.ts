/**
 * The circuit of one service: the consumer's (`core/consuming/circuit.ts`), asked for a pass before each request.
 *
 * | state | a pass |
 * |---|---|
 * | closed | always |
 * | open | never |
 * | half-open | one at a time: the probe |
 *
 * A pass from before the last change of state says nothing about the service as it is now: what is reported on it is
 * dropped.
 */
import { callOut } from '../core/consuming/call-out.js';
import type { createCircuit } from '../core/consuming/circuit.js';
import type { CircuitOptions } from '../core/consuming/circuit-options.js';
import type { SetTimer } from '../core/consuming/timer.js';
import type { CallbackCircuitChange } from './callback-client-options.js';

/** What came of the request; one of the three, once. */
export interface Pass {
  succeeded(): void;
  failed(cause: string): void;
  /** It says nothing about the service. */
  abandoned(): void;
}

export interface ServiceCircuit {
  /** Undefined: the service is left alone now. */
  enter(): Pass | undefined;
  /** The next request would be let through. */
  passable(): boolean;
  close(): void;
}

export interface ServiceCircuitDeps {
  readonly service: string;
  readonly now: () => number;
  /** Default: a timer that keeps no process alive. */
  readonly setTimer: SetTimer | undefined;
  readonly onCircuit: ((change: CallbackCircuitChange) => void) | undefined;
}

const FREE_PASS: Pass = { succeeded() {}, failed() {}, abandoned() {} };

/** `create` is `createCircuit`, given here because loading its library takes 20 ms. */
export function createServiceCircuit(
  create: typeof createCircuit,
  options: CircuitOptions | false,
  { service, now, setTimer, onCircuit }: ServiceCircuitDeps,
): ServiceCircuit {
  if (options === false) return { enter: () => FREE_PASS, passable: () => true, close() {} };
  let changes = 0;
  let probing = false;
  const circuit = create(options, {
    now,
    ...(setTimer && { setTimer }),
    onChange(state, cause, pauseMs) {
      changes++;
      probing = false;
      const change = { service, state, pauseMs, cause: typeof cause === 'string' ? cause : undefined };
      callOut(() => onCircuit?.(change));
    },
  });
  const passable = () => circuit.state() === 'closed' || (circuit.state() === 'half-open' && !probing);
  return {
    passable,
    enter() {
      if (!passable()) return undefined;
      probing = circuit.state() === 'half-open';
      const since = changes;
      const report = (work: () => void) => {
        if (changes === since) work();
      };
      return {
        succeeded: () => report(() => circuit.succeeded()),
        failed: (cause) => report(() => circuit.failed(cause)),
        abandoned: () =>
          report(() => {
            probing = false;
          }),
      };
    },
    close: () => circuit.close(),
  };
}
