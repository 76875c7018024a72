/** For services: what happened is told once, and the stage of the migration decides how it goes out. Exports only. */
export {
  type DeprecatedNotificationService,
  type DeprecatedOptions,
  deprecatedNotificationService,
  type OutcomeEvents,
} from './deprecated.js';
export {
  type CallbackOutcome,
  type Dispatched,
  type DispatchTrouble,
  describeDispatchTrouble,
  type EventOutcome,
} from './dispatched.js';
export {
  createDispatcher,
  type Dispatcher,
  type DispatcherCore,
  type DispatcherOptions,
  type DispatcherState,
  type DispatchMethods,
  type DispatchOptions,
} from './dispatcher.js';
export type { DispatcherTrouble, TellTrouble } from './dispatcher-troubles.js';
export { environmentStage } from './environment-stage.js';
export { type FlagFile, readFlagFile } from './flag-file.js';
export type { FlagState } from './flag-state.js';
export { type FlagTrouble, type FlagWatch, type FlagWatchOptions, watchFlag } from './flag-watch.js';
export {
  type DispatchBus,
  type DispatcherParts,
  type OpenDispatcher,
  type OpenDispatcherOptions,
  openDispatcher,
} from './open-dispatcher.js';
