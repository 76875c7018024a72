/**
 * Calls `send(n, done)` for n from 0 to count - 1 with at most `size` of them unfinished; each calls `done`
 * once, with an error if it failed. Resolves when all are done. The same loop drives every side.
 */
export function pipelined(count, size, send) {
  return new Promise((resolve, reject) => {
    let started = 0;
    let finished = 0;
    const done = (error) => {
      if (error) {
        reject(error);
        return;
      }
      finished += 1;
      if (finished === count) resolve();
      else fill();
    };
    const fill = () => {
      while (started < count && started - finished < size) {
        started += 1;
        send(started - 1, done);
      }
    };
    fill();
  });
}
