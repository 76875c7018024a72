/** Runs once per vitest run: programs that tests start as processes need an up-to-date dist. */
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { openSharedBrokerDesk } from './brokers/shared.js';
import { freshenDist } from './fresh-dist.js';

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  freshenDist(fileURLToPath(new URL('..', import.meta.url)));
  return openSharedBrokerDesk(project);
}
