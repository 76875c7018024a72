import type { TransportNotice } from './transport.js';

/** What a transport does or suffers by itself, in words. Names come from outside: make the text safe before it is shown. */
export function describeNotice(notice: TransportNotice): string {
  switch (notice.kind) {
    case 'lost':
      return `connection lost (${notice.cause}); reconnecting`;
    case 'restored':
      return `connection restored after ${(notice.afterMs / 1000).toFixed(1)} s`;
    case 'blocked':
      return `the broker takes no publishes for now: ${notice.reason}`;
    case 'unblocked':
      return 'the broker takes publishes again';
    case 'consumer-lost':
      return `consumer of ${notice.queue} ended (${notice.cause}); reopening`;
    case 'not-restored':
      return `${notice.entity} was not declared again after the reconnect (${notice.cause})`;
  }
}
