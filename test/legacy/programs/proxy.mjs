// A proxy process: { upstream, drainMs } in argv. Prints its port, then a line for each record; ends on SIGTERM when
// it has drained, with its ending as the last line. Each line on stdin is answered with the largest resident size.
import { createInterface } from 'node:readline';
import { startRecordingProxy } from '../../../dist/legacy/proxy.js';

const { upstream, drainMs } = JSON.parse(process.argv[2]);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const proxy = await startRecordingProxy({
  listen: { port: 0 },
  upstreams: { notification: upstream },
  onRecord: ({ body, ...record }) =>
    print({ record: { ...record, bodyLength: JSON.stringify(body).length } }),
  onGap: (gap) => print({ gap }),
});
print({ port: proxy.port });

const lines = createInterface({ input: process.stdin });
process.stdin.on('end', () => process.exit(1)); // whoever started it is gone
lines.on('line', () => print({ peakKB: process.resourceUsage().maxRSS }));
process.once('SIGTERM', async () => {
  print({ draining: true });
  print({ ending: await proxy.close({ drainMs }) });
  lines.close();
});
