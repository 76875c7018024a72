/** Resolves when `work` has settled, either way, and after `limitMs` at the latest. */
export async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  const settled = work.then(
    () => {},
    () => {}, // whoever limits it in time goes on without its result
  );
  await Promise.race([settled, late]);
  clearTimeout(timer);
}
