/** How schemas are compiled that are this program's own. Pure. */
import type { Options } from "ajv";

/**
 * For Ajv: no check against JSON Schema's own schema (Ajv's strict mode, on by default, refuses unknown keywords) and no optimising of
 * code that runs a few times: both together take 100 ms of a start.
 */
export const OWN_SCHEMAS: Options = { meta: false, validateSchema: false, code: { optimize: false } };
