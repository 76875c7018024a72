// A consumer whose handler fails until its circuit has opened. Prints `open`, then `handled`, and ends. Nothing but the
// consumer keeps the process alive. Arguments: JSON with url, queue.
import { z } from 'zod';
import { connect, defineCatalog, defineEvent } from '../../../../dist/index.js';

const { url, queue } = JSON.parse(process.argv[2]);
const catalog = defineCatalog(
  defineEvent({ type: 'thing.happened', exchange: 'unused', schema: z.object({}) }),
);
const bus = await connect({ url, catalog, topology: { exchanges: [], queues: [], bindings: [] } });
let open = false;
await bus.consume(
  queue,
  {
    async 'thing.happened'() {
      if (!open) throw new Error('down');
      process.stdout.write('handled\n', () => void bus.close());
    },
  },
  {
    circuit: { window: 1, threshold: 1, openMs: 300 },
    orderBy: () => undefined, // tried again in place, so that nothing goes through a delay queue
    onTrouble({ kind }) {
      open ||= kind === 'circuit-open';
      if (kind === 'circuit-open') process.stdout.write('open\n');
    },
  },
);
