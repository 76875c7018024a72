import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEmbeddedTransport, EMBEDDED_FEATURES } from '../../src/transports/embedded/index.js';
import { describeTransport } from './contract.js';

let folder = '';
const file = () => join(folder, 'broker.db');

describeTransport('embedded', {
  features: EMBEDDED_FEATURES,
  async setup() {
    folder = mkdtempSync(join(tmpdir(), 'atma-embedded-'));
  },
  async teardown() {
    rmSync(folder, { recursive: true, force: true });
  },
  open: async (options) => createEmbeddedTransport(file(), options),
  url: () => `embedded:${file()}`,
});
