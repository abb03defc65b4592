/** Who goes when a worker has no room for another client: random histories against a plain list. And how much room open files leave. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import pino from "pino";
import { expect, test } from "vitest";
import { clientsMax, openFilesMax } from "#data-plane/open-files.ts";
import { RefusalLog } from "#data-plane/refusal-log.ts";
import { ClientRoom, Place } from "#data-plane/wire/client-room.ts";
import { createMetrics, sumMetrics, WorkerMetrics } from "#shared/metrics-table.ts";
import { BASE, settingsOf } from "../../config/faults-of.ts";

const SIZE = 5;

/** A room and what it did. */
class Site {
  readonly table = createMetrics();
  readonly lines: Record<string, unknown>[] = [];
  readonly evicted: number[] = [];
  readonly room: ClientRoom;
  #next = 0;

  constructor(size = SIZE) {
    const log = pino({ base: null, timestamp: false }, { write: (line) => void this.lines.push(JSON.parse(line)) });
    this.room = new ClientRoom(size, new WorkerMetrics(this.table, 0), new RefusalLog(log));
  }

  get open(): number {
    return sumMetrics(this.table).connections;
  }

  place(): Place {
    const id = this.#next++;
    return new Place({ evict: () => void this.evicted.push(id) });
  }
}

/** What must come of it, as plain lists. */
class Model {
  /** Weights of those inside. */
  readonly inside = new Map<number, number>();
  /** Those without a request, in the order in which they came to rest. */
  resting: number[] = [];
  readonly evicted: number[] = [];

  get taken(): number {
    return [...this.inside.values()].reduce((sum, weight) => sum + weight, 0);
  }

  enters(id: number): boolean {
    while (this.taken >= SIZE && this.resting.length > 0) {
      const oldest = this.resting.shift() ?? -1;
      this.inside.delete(oldest);
      this.evicted.push(oldest);
    }
    if (this.taken >= SIZE) return false;
    this.inside.set(id, 1);
    this.resting.push(id);
    return true;
  }

  rests(id: number): void {
    if (this.inside.has(id) && !this.resting.includes(id)) this.resting.push(id);
  }

  works(id: number): void {
    this.resting = this.resting.filter((one) => one !== id);
  }

  leaves(id: number): void {
    this.works(id);
    this.inside.delete(id);
  }

  becomesTunnel(id: number): void {
    this.works(id);
    if (this.inside.has(id)) this.inside.set(id, 2);
  }
}

test("the one without a request for longest goes, never one with a request; then the newcomer", () => {
  const act = fc.tuple(fc.constantFrom("enters", "rests", "works", "leaves", "becomesTunnel"), fc.nat(40));
  const run = fc.check(
    fc.property(fc.array(act, { minLength: 20, maxLength: 200 }), (acts) => {
      const site = new Site();
      const model = new Model();
      const places: Place[] = [];
      for (const [what, pick] of acts) {
        const id = pick % Math.max(1, places.length);
        const place = places[id];
        if (what === "enters" || place === undefined) {
          const fits = model.enters(places.length);
          const made = site.place();
          places.push(made);
          if (site.room.enter(made) !== fits) return false;
        } else {
          site.room[what](place);
          model[what](id);
        }
        if (!isDeepStrictEqual([site.evicted, site.open], [model.evicted, model.taken])) return false;
      }
      return true;
    }),
  );
  // Its report has the seed.
  expect(run.failed ? fc.defaultReportMessage(run) : "held").toBe("held");
});

test("what happens is counted, and logged once in a while", () => {
  const site = new Site(1);
  const busy = site.place();
  site.room.enter(site.place());
  site.room.enter(busy);
  site.room.works(busy);
  expect([site.room.enter(site.place()), site.room.enter(site.place())]).toEqual([false, false]);
  expect(sumMetrics(site.table).plain).toMatchObject({ connections_evicted: 1, connections_refused: 2 });
  expect(site.lines).toEqual([expect.objectContaining({ event: "connections-full", connections: 1, evicted: 1 })]);
});

test("a smaller room makes its places free when the next one comes", () => {
  const site = new Site(3);
  for (let i = 0; i < 3; i++) site.room.enter(site.place());
  site.room.resize(1);
  expect(site.evicted).toEqual([]);
  site.room.enter(site.place());
  expect(site.evicted).toEqual([0, 1, 2]);
});

test("clients get what files are left beside upstreams, and at least half; a number sets fewer", () => {
  const settings = (more: string) => settingsOf(`${BASE}server: { workers: 2, limits: { ${more} } }\n`);
  const auto = settings("connections: auto");
  // 256 connections to the app and 64 to the control API on each worker, the latter with both ends here.
  expect(clientsMax(auto, 20_000)).toBe((20_000 - 64 - 32 - 2 * (256 + 128)) / 2);
  expect(clientsMax(auto, 1024)).toBe((1024 - 64 - 32) / 2 / 2);
  expect(clientsMax(auto, 20)).toBe(1);
  expect(clientsMax(auto, null)).toBe(Infinity);
  expect([clientsMax(settings("connections: 10"), 1024), clientsMax(settings("connections: 10"), null)]).toEqual([
    10, 10,
  ]);
  expect(clientsMax(settings("connections: 100000"), 1024)).toBe(232);
});

test.runIf(process.platform === "linux")("the limit of open files is found", () => {
  expect(openFilesMax()).toBeGreaterThan(100);
});
