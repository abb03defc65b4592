/**
 * Usage over time from the ledger's minute rows: units and requests by interval, and by route, key, meter or status within it.
 * Main thread. Meters that add up show the sum of an interval, maxima the largest, gauges the value at its end.
 * Not here: folding the journal first, and who may see it (`api/`).
 */
import { type RawBuilder, sql } from "kysely";
import { type Window, windowAt } from "#core/windows.ts";
import type { UsageOp } from "#shared/counter-shapes.ts";
import type { Database } from "#control-plane/store/database.ts";
import { saturated } from "./tally.ts";

export const INTERVALS = ["minute", "hour", "day", "week", "month"] as const;
export const SERIES_GROUPS = ["route", "key", "meter", "status"] as const;
export type SeriesGroup = (typeof SERIES_GROUPS)[number];

/** Most points of one answer. */
export const POINTS_MAX = 10_000;

export interface SeriesAsk {
  readonly account: string;
  /** Meters to read; several only where they are told apart by `groupBy`. */
  readonly meters: readonly SeriesMeter[];
  /** Rising and adjoining, at most `POINTS_MAX`; `intervalsOf`. */
  readonly intervals: readonly Window[];
  /** Empty: one point an interval, those without usage too. Else only points with usage. */
  readonly groupBy: readonly SeriesGroup[];
}

export interface SeriesMeter {
  readonly name: string;
  /** A gauge: units added go up and down, and what counts is where they stand. */
  readonly isGauge: boolean;
}

export interface SeriesPoint {
  readonly window: Window;
  /** What it is grouped by; route and key empty and status 0 where there was none. */
  readonly group: Readonly<Partial<Record<SeriesGroup, string | number>>>;
  readonly units: number;
  readonly requests: number;
}

/** The whole intervals that `fromMs` up to `toMs` touches, in order; null when there are more than `POINTS_MAX`. */
export function intervalsOf(
  kind: (typeof INTERVALS)[number],
  timeZone: string,
  fromMs: number,
  toMs: number,
): readonly Window[] | null {
  const windows: Window[] = [];
  for (let at = fromMs; at < toMs; ) {
    if (windows.length === POINTS_MAX) return null;
    const window = windowAt({ kind, timeZone, day: 1 }, at, 0);
    windows.push(window);
    at = window.endMs;
  }
  return windows;
}

/** Points in order of time, meter and group; null when there are more than `POINTS_MAX`. Costs what reading the rows of the time costs. */
export async function timeseries(db: Database, ask: SeriesAsk): Promise<readonly SeriesPoint[] | null> {
  const points: SeriesPoint[] = [];
  for (const meter of ask.meters) {
    const spans = ask.intervals.map(({ startMs, endMs }) => [startMs, endMs] as const);
    const lines = await linesOf(db, ask, meter.name, spans);
    if (lines.length > POINTS_MAX) return null;
    const levels = new Levels(
      meter,
      meter.isGauge ? await linesOf(db, ask, meter.name, [[0, spans[0]?.[0] ?? 0]]) : [],
    );
    points.push(...(ask.groupBy.length === 0 ? everyInterval : onlyUsed)(ask, meter, placesOf(lines), levels));
    if (points.length > POINTS_MAX) return null;
  }
  // Each meter's are in order already, so this only weaves several together.
  return points.sort((one, other) => one.window.startMs - other.window.startMs);
}

/** Rows of one interval, one group and one op, put together. */
interface Line {
  /** Place in the list of intervals. */
  readonly interval: number;
  readonly route: string;
  readonly key: string;
  readonly status: number;
  readonly op: UsageOp;
  readonly units: number;
  readonly requests: number;
  /** Minute of the latest row. */
  readonly last: number;
}

type Spans = readonly (readonly [startMs: number, endMs: number])[];

async function linesOf(db: Database, ask: SeriesAsk, meter: string, spans: Spans): Promise<readonly Line[]> {
  return [...(await summedLines(db, ask, meter, spans)), ...(await valueLines(db, ask, meter, spans))];
}

/**
 * Ops add and max. The intervals come as one JSON text and are the outer loop, so that each reads its own rows by the primary key.
 * Sums are taken in two halves: SQLite fails where one goes beyond 2^63.
 */
async function summedLines(db: Database, ask: SeriesAsk, meter: string, spans: Spans): Promise<readonly Line[]> {
  const { rows } = await sql<Line & { readonly high: number; readonly low: number; readonly largest: number }>`
    SELECT span.key AS interval, ${groupColumns(ask)}, usage.op AS op, sum(usage.requests) AS requests,
      max(usage.minute) AS last, max(usage.units) AS largest,
      sum(usage.units / 4294967296) AS high, sum(usage.units % 4294967296) AS low
    FROM json_each(${JSON.stringify(spans)}) AS span CROSS JOIN usage
    WHERE ${inSpan(ask, meter)} AND usage.op <> 'set'
    GROUP BY 1, 2, 3, 4, 5 LIMIT ${POINTS_MAX + 1}`.execute(db);
  return rows.map(({ high, low, largest, ...line }) => ({
    ...line,
    units: line.op === "max" ? largest : saturated(high * 2 ** 32 + low),
  }));
}

/** Op set: the value seen last. With one `max` and no `min`, SQLite takes columns that are no aggregates from the row of the `max`. */
async function valueLines(db: Database, ask: SeriesAsk, meter: string, spans: Spans): Promise<readonly Line[]> {
  const { rows } = await sql<Line & { readonly seen: number }>`
    SELECT span.key AS interval, ${groupColumns(ask)}, usage.op AS op, sum(usage.requests) AS requests, usage.minute AS last,
      usage.units AS units, max(usage.at_ms) AS seen
    FROM json_each(${JSON.stringify(spans)}) AS span CROSS JOIN usage
    WHERE ${inSpan(ask, meter)} AND usage.op = 'set'
    GROUP BY 1, 2, 3, 4 LIMIT ${POINTS_MAX + 1}`.execute(db);
  return rows;
}

/** Always three columns, empty where nothing is grouped by them. */
function groupColumns({ groupBy }: SeriesAsk) {
  const column = (name: SeriesGroup, none: RawBuilder<unknown>) =>
    groupBy.includes(name) ? sql.ref(`usage.${name}`) : none;
  const [route, key] = [column("route", sql`''`), column("key", sql`''`)];
  return sql`${route} AS route, ${key} AS key, ${column("status", sql`0`)} AS status`;
}

function inSpan({ account }: SeriesAsk, meter: string) {
  return sql`usage.account = ${account} AND usage.meter = ${meter}
    AND usage.minute >= span.value ->> 0 AND usage.minute < span.value ->> 1`;
}

/** All lines of one interval and one group, in the order in which their ops were last used. */
type Place = readonly [Line, ...Line[]];

/** In order of interval and group. */
function placesOf(lines: readonly Line[]): readonly Place[] {
  const places = new Map<string, [Line, ...Line[]]>();
  for (const line of lines) {
    const name = `${line.interval}|${groupName(line)}`;
    const there = places.get(name);
    if (there === undefined) places.set(name, [line]);
    else there.push(line);
  }
  for (const place of places.values()) place.sort((one, other) => one.last - other.last);
  return [...places.values()].sort(([one], [other]) => one.interval - other.interval || compareGroups(one, other));
}

function groupName({ route, key, status }: Line): string {
  return JSON.stringify([route, key, status]);
}

function compareGroups(one: Line, other: Line): number {
  const [left, right] = [groupName(one), groupName(other)];
  return left < right ? -1 : Number(left > right);
}

/** Where the gauges of each group stand; nothing for other meters, which begin anew in each interval. */
class Levels {
  readonly #meter: SeriesMeter;
  readonly #levels = new Map<string, number>();

  constructor(meter: SeriesMeter, before: readonly Line[]) {
    this.#meter = meter;
    for (const place of placesOf(before)) this.after(groupName(place[0]), place);
  }

  /** The units a place shows, which for a gauge is where it stands then. */
  after(group: string, place: readonly Line[]): number {
    // Of a meter that changed how it adds up, what it did last.
    if (!this.#meter.isGauge) return place.at(-1)?.units ?? 0;
    const before = this.#levels.get(group) ?? 0;
    const level = place.reduce((at, { op, units }) => (op === "add" ? saturated(at + units) : units), before);
    this.#levels.set(group, level);
    return level;
  }
}

type Points = (ask: SeriesAsk, meter: SeriesMeter, places: readonly Place[], levels: Levels) => readonly SeriesPoint[];

const everyInterval: Points = ({ intervals }, _meter, places, levels) => {
  const byInterval = new Map(places.map((place) => [place[0].interval, place]));
  return intervals.map((window, index) => {
    const place = byInterval.get(index) ?? [];
    return { window, group: {}, units: levels.after(NO_GROUP, place), requests: requestsOf(place) };
  });
};

const onlyUsed: Points = ({ intervals, groupBy }, meter, places, levels) =>
  places.flatMap((place) => {
    const [line] = place;
    const window = intervals[line.interval];
    if (window === undefined) return [];
    const units = levels.after(groupName(line), place);
    const group = Object.fromEntries(groupBy.map((by) => [by, by === "meter" ? meter.name : line[by]]));
    return [{ window, group, units, requests: requestsOf(place) }];
  });

const NO_GROUP = JSON.stringify(["", "", 0]);

function requestsOf(place: readonly Line[]): number {
  return place.reduce((sum, { requests }) => sum + requests, 0);
}
