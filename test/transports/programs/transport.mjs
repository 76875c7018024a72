// The transport of a URL, for the programs beside this file: the compiled one, as services use it.
export { createTransport as openTransport } from '../../../dist/transports/index.js';
