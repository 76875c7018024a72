// Moves a flag and kills itself at a step; or, without one, moves it back and forth until somebody kills it.
// Argument: JSON of file, to (list of positions, in turn), by, and maybe step.
import { readFlagFile } from '../../../dist/migration/flag-file.js';
import { moveFlag } from '../../../dist/migration/flip.js';

process.on('SIGXFSZ', () => {}); // a full disk is an error, not a signal
const { file, to, by, step: fatal } = JSON.parse(process.argv[2]);
const step = (name) => {
  if (name !== fatal) return;
  process.stdout.write(`dies at ${name}\n`, () => {});
  process.kill(process.pid, 'SIGKILL');
};
for (let moves = 0; moves === 0 || (fatal === undefined && to.length > 1); moves++) {
  const request = { file, to: to[moves % to.length], expected: readFlagFile(file).hash, by };
  const rest = { reason: 'going on', forced: true, evidence: { moves }, now: Date.now };
  try {
    const { after } = await moveFlag({ ...request, ...rest }, { step });
    console.log(`moved ${after.epoch}`);
  } catch (error) {
    console.log(`${error.code} ${error.message}`);
    if (to.length === 1) process.exitCode = 1;
  }
}
