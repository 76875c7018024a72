/** setTimeout counts in 32 bits: longer waits would end at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Calls `fire` after `ms`, however long that is. Returns how to call it off. */
export function startTimer(ms: number, fire: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (left: number) => {
    timer = setTimeout(
      () => (left > LONGEST_MS ? wait(left - LONGEST_MS) : fire()),
      Math.min(left, LONGEST_MS),
    );
  };
  wait(ms);
  return () => clearTimeout(timer);
}
