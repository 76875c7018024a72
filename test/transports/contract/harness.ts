/** What a transport brings to the contract suite: its factory, and the means to hurt its broker. */
import type { Transport, TransportFeatures, TransportOptions } from '../../../src/core/transport.js';

export interface Harness {
  readonly features: TransportFeatures;
  /** Starts the broker, or makes its folder. */
  setup(): Promise<void>;
  teardown(): Promise<void>;
  /** A transport of its own: nothing is shared with the others but the broker. */
  open(options?: TransportOptions): Promise<Transport>;
  /** The address for child processes. */
  url(): string;
  /** Cuts every connection. Only where `features.remote`. */
  interrupt?(): Promise<void>;
  /** Kills the broker and starts it again with the same data. Only where `features.remote`. */
  restart?(): Promise<void>;
}
