/** Parts the shape of `gateway.yaml` is put together from: patterns and small makers. See `schema.ts`. Pure. */
import Type, { type TSchema } from "typebox";

export const DURATION = "^[1-9][0-9]*(ms|s|m|h|d)$";
export const SIZE = "^[1-9][0-9]*(B|KiB|MiB|GiB)?$";
/** What every object has by nature is no name: settings are looked up by name. */
const NOT_A_NAME = Object.getOwnPropertyNames(Object.prototype).filter((name) => /^[a-z]/i.test(name));
export const NAME = `^(?!(${NOT_A_NAME.join("|")})$)[A-Za-z][A-Za-z0-9_.-]{0,63}$`;
export const ADDRESS = "^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_.-]+)?:[0-9]{1,5}$";

/** 32 bytes. */
export const SEALING_KEY = "^([0-9A-Fa-f]{64}|[A-Za-z0-9+/_-]{43}=?)$";

export const strict = { additionalProperties: false } as const;
export const duration = (description: string, standard?: string) =>
  Type.String({ pattern: DURATION, description, ...(standard === undefined ? {} : { default: standard }) });
export const size = (description: string, standard: string) =>
  Type.Union([Type.String({ pattern: SIZE }), Type.Integer({ minimum: 1 })], { description, default: standard });
export const name = (description: string) => Type.String({ pattern: NAME, description });
export const names = (description: string) =>
  Type.Array(Type.String({ minLength: 1 }), { description, uniqueItems: true });
export const byName = <T extends TSchema>(value: T, description: string) =>
  Type.Record(Type.String({ pattern: NAME }), value, { description, ...strict });
export const oneOf = <T extends string[]>(values: readonly [...T], description: string, standard?: T[number]) =>
  Type.Enum<T>(values, { description, ...(standard === undefined ? {} : { default: standard }) });
export const positive = (description: string) =>
  Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000_000, ...(description === "" ? {} : { description }) });
