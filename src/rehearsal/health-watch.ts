/** Asks the services how they are, several times a second, and keeps when one was not well: who watches has to notice a fault. */
import type { ProcessName, Service } from './services.js';

export interface HealthWatch {
  /** The latest answers. */
  readonly state: ReadonlyMap<ProcessName, HealthState>;
  /** How often each was found unwell so far. */
  timesUnwell(name: ProcessName): number;
  stop(): Promise<void>;
}

export interface HealthState {
  readonly well: boolean;
  /** `200`, `503: connection down`, `no answer`. */
  readonly text: string;
}

const EVERY_MS = 250;
/** Who takes longer is not well. */
const PATIENCE_MS = 1_500;

export function watchHealth(services: readonly Service[]): HealthWatch {
  const state = new Map<ProcessName, HealthState>();
  const unwell = new Map<ProcessName, number>();
  let stopped = false;
  let wake = () => {};

  async function watch(service: Service): Promise<void> {
    while (!stopped) {
      const found = await look(service.url());
      state.set(service.name, found);
      if (!found.well) unwell.set(service.name, (unwell.get(service.name) ?? 0) + 1);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, EVERY_MS);
        const earlier = wake;
        wake = () => {
          clearTimeout(timer);
          resolve();
          earlier();
        };
      });
    }
  }
  const watching = services.map(watch);

  return {
    state,
    timesUnwell: (name) => unwell.get(name) ?? 0,
    async stop() {
      stopped = true;
      wake();
      await Promise.all(watching);
    },
  };
}

async function look(url: string | undefined): Promise<HealthState> {
  if (url === undefined) return { well: false, text: 'not there' };
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    await response.arrayBuffer();
    return { well: response.ok, text: String(response.status) };
  } catch {
    return { well: false, text: 'no answer' };
  }
}
