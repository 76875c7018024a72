import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    // Brokers and child processes share the machine with the tests: the limits are for hangs, not for speed.
    testTimeout: 30_000,
    hookTimeout: 90_000,
    teardownTimeout: 30_000,
    // Two cores on the reference machine. Every file has names, folders and ports of its own.
    maxWorkers: 2,
  },
});
