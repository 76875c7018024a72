/**
 * Calls into the application. What it throws there is a defect of the application and ends the process as any
 * uncaught error does; should somebody keep the process alive, the broker's own work must have gone on.
 */
export function callOut(work: () => void): void {
  try {
    work();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
