/** The public event core. Exports only. */
export { type Bus, type BusOptions, connect } from './connect.js';
export type { CircuitState } from './core/consuming/circuit.js';
export type { CircuitOptions } from './core/consuming/circuit-options.js';
export type { CloseOptions, Consumer, ConsumerState, RetryDepth } from './core/consuming/consumer.js';
export type { ConsumerOptions } from './core/consuming/consumer-options.js';
export type { DeadLetterOptions } from './core/consuming/dead-letter-route.js';
export {
  FAILURE_REASONS,
  type FailureReason,
  type FailureRecord,
  HEADER_FAILURE,
  readFailure,
} from './core/consuming/failure-record.js';
export type { Handler, HandlerContext, HandlerOnce, Handlers } from './core/consuming/handler.js';
export * from './core/consuming/idempotency.js';
export type { RetryOptions } from './core/consuming/ladder.js';
export {
  createOnce,
  type Once,
  type OnceOptions,
  type OnceResult,
  type OnceSettings,
} from './core/consuming/once.js';
export * from './core/consuming/permanent-error.js';
export { type ResolveOptions, resolveUnknown } from './core/consuming/resolve-unknown.js';
export { describeTrouble, type HeldBack, type Trouble } from './core/consuming/trouble.js';
export * from './core/errors.js';
export * from './core/events/catalog.js';
export * from './core/events/codec.js';
export * from './core/events/envelope.js';
export { factKeyOf, jobKeyOf } from './core/events/fact.js';
export { describeIssues } from './core/events/field-issues.js';
export * from './core/message.js';
export * from './core/migration/callback-receiver.js';
export type { CallbackField, CallbackRoute } from './core/migration/callback-route.js';
export {
  type EffectOptions,
  type EffectResult,
  effectKeyOf,
  type RunEffect,
} from './core/migration/effect.js';
export { isStage, PATHS, type Paths, STAGES, type Stage } from './core/migration/stage.js';
export type { StageDecision, StageSource } from './core/migration/stage-source.js';
export * from './core/migration/stamp.js';
export {
  createOutbox,
  type Outbox,
  type OutboxOptions,
  type OutboxState,
} from './core/publishing/outbox.js';
export * from './core/publishing/outbox-store.js';
export { describeOutboxTrouble, type OutboxTrouble } from './core/publishing/outbox-trouble.js';
export * from './core/publishing/publisher.js';
export * from './core/topology/model.js';
export * from './core/topology/observe.js';
export * from './core/topology/plan.js';
export * from './core/transport.js';
export * from './legacy/index.js';
export * from './migration/index.js';
export { type AtmaEvents, atma } from './presets/atma.js';
export type { Environment, Preset, System } from './presets/preset.js';
export { defineConfig, type ProjectConfig } from './project/config.js';
export {
  type FileIdempotencyStore,
  type IdempotencyStoreOptions,
  openIdempotencyStore,
} from './storage/idempotency-store.js';
export { type FileOutboxStore, type OutboxStoreOptions, openOutboxStore } from './storage/outbox-store.js';
export { createTransport } from './transports/index.js';
