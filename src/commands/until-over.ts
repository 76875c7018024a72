/** How a command ends that would go on for ever. */
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { startTimer } from '../terminal/timer.js';
import { untilAborted } from './deps.js';

/** Until one of these resolves, `forMs` milliseconds have passed (`done`) or the signal comes (`interrupted`). */
export async function untilOver(
  forMs: number | undefined,
  signal: AbortSignal,
  ...others: readonly Promise<unknown>[]
): Promise<ExitCode> {
  let callOff = () => {};
  const time = new Promise<void>((over) => {
    if (forMs !== undefined) callOff = startTimer(forMs, over);
  });
  try {
    await untilAborted(Promise.race([time, ...others]), signal);
    return EXIT.done;
  } catch (error) {
    if (error === signal.reason) return EXIT.interrupted;
    throw error;
  } finally {
    callOff();
  }
}
