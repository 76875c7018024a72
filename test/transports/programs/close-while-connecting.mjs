// Starts to connect, closes at once, and prints `closed`; whatever keeps it running after that is a leak.
// Arguments: URL.
import { openTransport } from './transport.mjs';

const transport = await openTransport(process.argv[2]);
const opening = transport.open().catch((error) => error.code);
await transport.close();
console.log(await opening);
