// Opens a tap on exchange `x` that never finishes its first message, and prints `ready`. Argument: broker file.
import { open, print } from './open.mjs';

const transport = open(process.argv[2]);
await transport.tap(
  { bindings: [{ exchange: 'x', key: '#' }], bufferLimit: 50 },
  { onMessage: () => new Promise(() => {}), onGap: () => {} },
);
print('ready');
