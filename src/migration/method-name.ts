/** Names of the methods that a dispatcher has per event type: `analysis.completed` is `analysisCompleted`. */

/** `a.b-c_d` as `a.b.c.d`. */
type Dotted<T extends string, Separator extends string> = T extends `${infer Head}${Separator}${infer Tail}`
  ? `${Head}.${Dotted<Tail, Separator>}`
  : T;

type Joined<T extends string> = T extends `${infer Head}.${infer Tail}`
  ? `${Head}${Capitalize<Joined<Tail>>}`
  : T;

/** The same for the compiler. */
export type MethodName<Type extends string> = Joined<Dotted<Dotted<Type, '-'>, '_'>>;

/** Words are parted by `.`, `-` and `_`; all but the first begin with a capital, nothing else changes. */
export function methodName<const Type extends string>(type: Type): MethodName<Type> {
  const [first = '', ...others] = type.split(/[._-]/);
  const rest = others.map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return [first, ...rest].join('') as MethodName<Type>;
}
