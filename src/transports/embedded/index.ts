/** The embedded broker: exchanges, queues and messages in one SQLite file, shared by the processes of one machine. */
import type { Transport, TransportFeatures, TransportOptions } from '../../core/transport.js';
import { EmbeddedTransport } from './transport.js';

export const EMBEDDED_FEATURES: TransportFeatures = {
  remote: false,
  exactHeaderTypes: true,
  browseLeavesNoTrace: true,
};

/**
 * A transport on the broker file `path`, created on first need with its folder. Beside it lie `<path>-wal`,
 * `<path>-shm`, `<path>-bell` and `<path>-sessions/`. One machine only: network file systems are refused.
 */
export function createEmbeddedTransport(path: string, options: TransportOptions = {}): Transport {
  return new EmbeddedTransport(path, EMBEDDED_FEATURES, options);
}
