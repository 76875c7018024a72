import type { Catalog, EventMap } from '../core/events/catalog.js';
import type { CallbackRoute } from '../core/migration/callback-route.js';
import type { ShadowMapping } from '../core/shadow-mapping.js';
import type { Topology } from '../core/topology/model.js';

/** Environment variables, as `process.env` has them. */
export type Environment = { readonly [name: string]: string | undefined };

/** A catalog and a topology that belong together, for one team's system. */
export interface System<M extends EventMap = EventMap> {
  readonly catalog: Catalog<M>;
  readonly topology: Topology;
  /** Queues that other software declares and puts dead letters into. Looked at where they exist, never created. */
  readonly deadLetterQueues?: readonly string[];
  /** Which callbacks the events replace, and how they are compared in shadow mode. */
  readonly shadow?: ShadowMapping;
  /** The callbacks themselves, for a dispatcher to send while they are sent. */
  readonly callbacks?: readonly CallbackRoute[];
}

/** A ready-made system, whose names can be changed by the team's own environment variables. */
export interface Preset<M extends EventMap = EventMap> {
  readonly name: string;
  /** Names come from the environment variables that the team already uses, else from the preset. */
  build(environment: Environment): System<M>;
}
