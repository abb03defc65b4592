/**
 * One event of usage as it was sent → what it says, or what is wrong with it. Main thread, pure.
 * Not here: whether meter, account and key exist, and when it counts (`usage-events.ts`).
 */
import { parseTime } from "#core/time-text.ts";

/** What an event says. Texts are empty where it says nothing, unless null is named. */
export interface ReportedEvent {
  /** 1 to 255 characters, as are `source` and all other ids. */
  readonly id: string;
  readonly source: string;
  /** CloudEvents' `type`. */
  readonly meter: string;
  /** Our id of the account or the operator's; null: the caller's own. */
  readonly subject: string | null;
  /** Milliseconds since 1970; null: now. */
  readonly timeMs: number | null;
  /** Whole, within ±10^15; null: not said, which counts 1 where units are added. */
  readonly value: number | null;
  readonly key: string;
  readonly user: string;
  readonly route: string;
  /** Id of the event of the same source whose value is to be this one; null: an event of its own. */
  readonly corrects: string | null;
  readonly reason: string | null;
}

/** Why an event does not count. Documented in `docs/endpoints.md`; a test holds the two equal. */
export const EVENT_ERRORS = [
  "malformed_event",
  "invalid_value",
  "unknown_meter",
  "unknown_account",
  "unknown_key",
  "time_too_old",
  "time_in_future",
  "window_over",
  "conflict",
  "unknown_event",
  "not_correctable",
] as const;
export type EventError = (typeof EVENT_ERRORS)[number];

export interface EventFault {
  readonly error: EventError;
  /** What was wrong and what was wanted. */
  readonly detail: string;
}

/**
 * `cloudevents`: by CloudEvents 1.0, `specversion` is there and attributes it does not know are extensions, which say nothing here.
 * `plain`: `specversion` may be left out, and a member that is not known is a fault, as a slip of the pen in one would count wrongly.
 */
export type EventForm = "cloudevents" | "plain";

/** Largest value of one event: 2^53 is the end of exact sums, and one event must not bring a counter there. */
export const VALUE_MAX = 1_000_000_000_000_000;
const ID_CHARS_MAX = 255;

const ATTRIBUTES = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"];
const DATA_MEMBERS = ["value", "key", "user", "route", "corrects", "reason"];

type Members = Readonly<Record<string, unknown>>;

export function readEvent(raw: unknown, form: EventForm): ReportedEvent | EventFault {
  try {
    return parts(objectOf(raw, "event"), form);
  } catch (error) {
    if (error instanceof Fault) return { error: error.code, detail: error.message };
    throw error;
  }
}

/** `id` and `source` of something that may be no event, for the line of its result. */
export function namesOf(raw: unknown): { readonly id: string | null; readonly source: string | null } {
  const { id, source } = typeof raw === "object" && raw !== null ? (raw as { id?: unknown; source?: unknown }) : {};
  return { id: shortText(id), source: shortText(source) };
}

/** Ends the reading of one event. */
class Fault extends Error {
  readonly code: EventError;

  constructor(code: EventError, detail: string) {
    super(detail);
    this.code = code;
  }
}

function parts(event: Members, form: EventForm): ReportedEvent {
  const { specversion, datacontenttype: contentType } = event;
  if (specversion !== "1.0" && (form === "cloudevents" || specversion !== undefined))
    throw malformed(`Expected "1.0" in specversion, got ${shown(specversion)}`);
  if (form === "plain") refuseUnknown(event, ATTRIBUTES, "event");
  if (event.data_base64 !== undefined) throw malformed("Expected data as JSON, got data_base64");
  if (contentType !== undefined && !isJsonType(contentType))
    throw malformed(`Expected application/json in datacontenttype, got ${shown(contentType)}`);
  const data = event.data === undefined ? {} : objectOf(event.data, "data");
  refuseUnknown(data, DATA_MEMBERS, "data");
  return {
    id: text(event, "id"),
    source: text(event, "source"),
    meter: text(event, "type"),
    subject: textOrNull(event, "subject"),
    timeMs: timeOf(event.time),
    value: valueOf(data.value),
    key: textOrNull(data, "key", "data.") ?? "",
    user: textOrNull(data, "user", "data.") ?? "",
    route: textOrNull(data, "route", "data.") ?? "",
    corrects: textOrNull(data, "corrects", "data."),
    reason: textOrNull(data, "reason", "data."),
  };
}

function objectOf(value: unknown, name: string): Members {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  throw malformed(`Expected an object as ${name}, got ${shown(value)}`);
}

function refuseUnknown(object: Members, known: readonly string[], name: string): void {
  const other = Object.keys(object).find((member) => !known.includes(member));
  if (other !== undefined) throw malformed(`Unknown member ${shown(other)} in ${name}; there are ${known.join(", ")}`);
}

function text(object: Members, member: string, where = ""): string {
  const found = textOrNull(object, member, where);
  if (found === null) throw malformed(`Expected a text in ${where}${member}, got ${shown(object[member])}`);
  return found;
}

/** null where the member is left out or null. */
function textOrNull(object: Members, member: string, where = ""): string | null {
  const value = object[member];
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") throw malformed(`Expected a text in ${where}${member}, got ${shown(value)}`);
  if (value === "" || value.length > ID_CHARS_MAX)
    throw malformed(`Expected 1 to ${ID_CHARS_MAX} characters in ${where}${member}, got ${value.length}`);
  // The store keeps UTF-8: halves of a pair would all become the same character there.
  if (!value.isWellFormed()) throw malformed(`Expected well-formed text in ${where}${member}`);
  return value;
}

function timeOf(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  const ms = typeof value === "string" ? parseTime(value) : null;
  if (ms === null)
    throw malformed(`Expected a time of RFC 3339 such as "2026-11-22T08:30:00Z" in time, got ${shown(value)}`);
  return ms;
}

function valueOf(value: unknown): number | null {
  if (value === undefined) return null;
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= VALUE_MAX)
    return value === 0 ? 0 : value;
  throw new Fault(
    "invalid_value",
    `Expected a whole number of at most ${VALUE_MAX} in data.value, got ${shown(value)}`,
  );
}

function isJsonType(value: unknown): boolean {
  return typeof value === "string" && /^application\/(?:[^\s;]+\+)?json\s*(?:;|$)/i.test(value);
}

function malformed(detail: string): Fault {
  return new Fault("malformed_event", detail);
}

/** A value as it may be shown to who sent it: short. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "string" ? JSON.stringify(shortText(value)) : String(value);
}

function shortText(value: unknown): string | null {
  if (typeof value !== "string") return null;
  return value.length <= ID_CHARS_MAX ? value : `${value.slice(0, ID_CHARS_MAX)}…`;
}
