/** The public event core. Exports only. */
export { type Bus, type BusOptions, connect } from './connect.js';
export * from './core/consuming/consumer.js';
export * from './core/errors.js';
export * from './core/events/catalog.js';
export * from './core/events/codec.js';
export * from './core/events/envelope.js';
export { describeIssues } from './core/events/field-issues.js';
export * from './core/message.js';
export * from './core/publishing/publisher.js';
export * from './core/topology/model.js';
export * from './core/topology/observe.js';
export * from './core/topology/plan.js';
export * from './core/transport.js';
export { type AtmaEvents, atma } from './presets/atma.js';
export type { Environment, Preset, System } from './presets/preset.js';
export { defineConfig, type ProjectConfig } from './project/config.js';
export { createTransport } from './transports/index.js';
