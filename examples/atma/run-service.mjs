/** The life of a service: settings, log, start, `ready`; at SIGTERM everything is released in turn, and the process ends. */
import { mkdirSync } from 'node:fs';
import { isEventsError } from 'atma-events';
import { readBreakage } from './breakage.mjs';
import { createLog } from './log.mjs';
import { readSettings } from './settings.mjs';

/**
 * `start({ settings, log, broken, onEnd })` gives the port it listens on. What it opens it hands to `onEnd`, there and then;
 * releases run last in, first out, so that what is in hand still finds what it needs. A second signal ends the process at once.
 */
export async function runService(service, shape, start) {
  let log = createLog(service);
  const releases = [];
  let ending;

  const end = () => {
    ending ??= releaseAll();
    return ending;
  };
  async function releaseAll() {
    while (releases.length > 0) {
      try {
        await releases.pop()();
      } catch (error) {
        log.error('release-failed', about(error)); // the others have to be released all the same
        process.exitCode = 1;
      }
    }
  }

  try {
    const settings = readSettings(shape);
    log = createLog(service, settings.LOG_LEVEL);
    const broken = readBreakage(settings, log);
    mkdirSync(settings.DATA_DIR, { recursive: true });
    for (const signal of ['SIGTERM', 'SIGINT']) {
      process.once(signal, async () => {
        log.info('ending', { signal });
        await end();
        log.info('ended');
      });
    }
    const port = await start({ settings, log, broken, onEnd: (release) => releases.push(release) });
    if (ending === undefined) log.info('ready', { port });
    else await releaseAll(); // the signal came while it started
  } catch (error) {
    if (ending === undefined) {
      log.error('cannot-start', about(error));
      process.exitCode = 1;
    }
    await releaseAll();
  }
}

/** What a log may say of an error. */
export function about(error) {
  if (!(error instanceof Error)) return { message: String(error) };
  return { message: error.message, ...(isEventsError(error) && { code: error.code, hint: error.hint }) };
}
