/** Loaded with `node --import` into a measured process: leaves its peak resident size, in bytes, in a file. */
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  // In kilobytes, on every system that Node runs on (libuv).
  writeFileSync(process.env.BENCH_PEAK_FILE, String(process.resourceUsage().maxRSS * 1_024));
});
