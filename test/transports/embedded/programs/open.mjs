// The compiled embedded transport, for the programs beside this file.
export { createEmbeddedTransport as open } from '../../../../dist/transports/embedded/index.js';

import { writeSync } from 'node:fs';

/** A line on stdout that is out when this returns, even if the process is killed on the next instruction. */
export function print(...words) {
  writeSync(1, `${words.join(' ')}\n`);
}

/** A clock that all processes of this machine share, in nanoseconds. */
export const clock = () => process.hrtime.bigint();
