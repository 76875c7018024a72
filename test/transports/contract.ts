/**
 * The contract of `src/core/transport.ts` as tests. Every transport runs this suite unchanged, on its real
 * broker; a new one brings a `Harness` and nothing else. What a broker lacks is declared in its features
 * and asserted here in both directions.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { browseTests } from './contract/browsing.js';
import { consumingTests } from './contract/consuming.js';
import { deadLetterTests } from './contract/dead-letters.js';
import { expiryTests } from './contract/expiry.js';
import type { Harness } from './contract/harness.js';
import { lifecycleTests } from './contract/lifecycle.js';
import { limitTests } from './contract/limits.js';
import { outageTests } from './contract/outages.js';
import { ownershipTests } from './contract/ownership.js';
import { payloadTests } from './contract/payload.js';
import { publishingTests } from './contract/publishing.js';
import { routingTests } from './contract/routing.js';
import { contractTest } from './contract/scene.js';
import { surveyTests } from './contract/surveying.js';
import { synchroniseTests } from './contract/synchronising.js';
import { tapTests } from './contract/tapping.js';
import { topologyTests } from './contract/topology.js';

export type { Harness } from './contract/harness.js';

export function describeTransport(name: string, harness: Harness): void {
  describe(`the ${name} transport keeps the contract`, () => {
    beforeAll(() => harness.setup());
    afterAll(() => harness.teardown());

    const test = contractTest(harness);
    payloadTests(test, harness);
    publishingTests(test);
    routingTests(test);
    consumingTests(test);
    synchroniseTests(test, harness);
    expiryTests(test);
    limitTests(test);
    deadLetterTests(test);
    lifecycleTests(test, harness);
    ownershipTests(test);
    tapTests(test, harness);
    browseTests(test, harness);
    topologyTests(test, harness);
    surveyTests(test);
    outageTests(test, harness);
  });
}
