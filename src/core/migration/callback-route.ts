/** Which callbacks an event replaces, as data: presets hold it, the dispatcher sends by it. */

/** Dotted paths into the event's data, the first that is there counts; or a constant. */
export type CallbackField = readonly string[] | { readonly constant: string | number | boolean | null };

export interface CallbackRoute {
  readonly eventType: string;
  /** Name of the service that is called: `notification`. */
  readonly service: string;
  readonly method: 'POST' | 'PUT' | 'PATCH';
  /** Below the service's URL. */
  readonly path: string;
  /** Fields of the JSON body in their order; one whose paths lead nowhere is left out, null stays null. */
  readonly body: { readonly [field: string]: CallbackField };
}
