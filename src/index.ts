export * from './core/errors.js';
export * from './core/message.js';
export * from './core/topology/model.js';
export * from './core/topology/observe.js';
export * from './core/transport.js';
