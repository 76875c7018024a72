/** When a consumer's circuit opens, and for how long. Apart from the circuit, whose library takes long to load. */
import { EventsError } from '../errors.js';

export interface CircuitOptions {
  /** Share of the window's attempts that must have failed, above 0 and up to 1. Default 0.5. */
  readonly threshold?: number;
  /**
   * The last so many attempts count, from 1. Default 20. Until there were that many, half of it is enough to open
   * the circuit, but never fewer than 10 (or the whole window, where that is smaller).
   */
  readonly window?: number;
  /** Milliseconds of the first pause; each that follows without a success between is twice as long. Default 10,000. */
  readonly openMs?: number;
  /** Milliseconds of the longest pause. Default 300,000. */
  readonly maxOpenMs?: number;
}

/** The options with their defaults. Throws `usage` on what is out of its range. */
export function circuitDefaults(options: CircuitOptions): Required<CircuitOptions> {
  const { threshold = 0.5, window = 20, openMs = 10_000, maxOpenMs = Math.max(300_000, openMs) } = options;
  const require = (holds: boolean, name: string, range: string, value: number) => {
    if (!holds) throw new EventsError('usage', `circuit.${name} must be ${range}, got ${value}`);
  };
  require(threshold > 0 && threshold <= 1, 'threshold', 'above 0 and up to 1', threshold);
  require(Number.isSafeInteger(window) && window >= 1, 'window', 'a whole number from 1', window);
  require(openMs > 0 && Number.isFinite(openMs), 'openMs', 'above 0', openMs);
  require(maxOpenMs >= openMs && Number.isFinite(maxOpenMs), 'maxOpenMs', 'at least openMs', maxOpenMs);
  return { threshold, window, openMs, maxOpenMs };
}
