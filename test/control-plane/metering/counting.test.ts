/**
 * Settings and anchors that change while charges are on their way: what a worker counted by the old ones, the fold adds to the new
 * counters, once. The whole of it at random: `ledger-model.test.ts`.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Settings } from "#config/settings.ts";
import { Anchors } from "#control-plane/metering/anchors.ts";
import type { Ledger } from "#control-plane/metering/ledger.ts";
import { type Window, windowAt } from "#core/windows.ts";
import { counterName, shapesOf } from "#shared/counter-shapes.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { Charge } from "#shared/journal-format.ts";
import { settingsOf } from "#test/config/faults-of.ts";
import { added, charge, JournalSite, newCounters, recordOf } from "./journal-site.ts";

/** Of the audit log. */
const NO_NOTE = () => Promise.resolve();

const NOW_MS = Date.UTC(2027, 2, 29, 12);
const SEGMENT = "now-2-000001.journal";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOW_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

function settingsWith(quotas: string, meter = "{}"): Settings {
  return settingsOf(`version: 1
upstreams: { app: { targets: [http://127.0.0.1:9000] } }
routes: [{ name: all, upstream: app, match: { path: "/**" } }]
meters: { calls: ${meter} }
plans: { free: { default: true, quotas: { calls: ${quotas} } } }
`);
}

const DAY = settingsWith("{ limit: 1000, per: day }");
const DAY_AND_MONTH = settingsWith("[{ limit: 1000, per: day }, { limit: 9000, per: month }]");
const PERIOD = settingsWith("{ limit: 1000, per: billing-period }");

/** One worker's view: charges that it counts by `settings` and `anchorMs`, and writes when it likes. */
class Scene {
  readonly counters: CounterTable = newCounters();
  readonly ledger: Ledger;
  settings: Settings;
  readonly #site: JournalSite;
  #serial = 0;

  constructor(site: JournalSite, settings: Settings) {
    this.#site = site;
    this.settings = settings;
    this.ledger = site.ledger({ live: [2], settings: () => this.settings, counters: this.counters });
    site.write(SEGMENT, []);
  }

  count(
    units: number,
    by: { readonly settings: Settings; readonly epoch: number; readonly anchorMs: number; readonly atMs?: number },
  ): Charge {
    const one = charge({
      account: "acct_1",
      atMs: by.atMs ?? NOW_MS,
      epoch: by.epoch,
      requestId: `r${++this.#serial}`,
      units: added({ calls: units }),
    });
    for (const shape of shapesOf(by.settings).get("calls") ?? []) {
      const window = windowAt(shape.window, one.atMs, by.anchorMs);
      this.counters.add(this.counters.key(counterName("acct_1", shape.key, "", window), window), units);
    }
    return one;
  }

  write(...written: readonly Charge[]): void {
    for (const one of written) this.#site.append(SEGMENT, recordOf(one));
  }

  used(kind: Window["kind"], anchorMs = 0): number {
    const shape = this.ledger.counting.shapesOf("calls").find(({ window }) => window.kind === kind);
    if (shape === undefined) throw new Error(`No shape by ${kind}`);
    const window = windowAt(shape.window, NOW_MS, anchorMs);
    return this.counters.used(this.counters.key(counterName("acct_1", shape.key, "", window), window));
  }
}

async function open(site: JournalSite, settings: Settings): Promise<Scene> {
  const account = { id: "acct_1", external_id: null, name: "A", state: "active", plan: null, created_at: 0 } as const;
  await site.db.insertInto("accounts").values(account).execute();
  return new Scene(site, settings);
}

test("a shape that a reload adds has what was folded before, what was on its way, and what comes after, each once", async () => {
  await using site = await JournalSite.open();
  const scene = await open(site, DAY);
  const { counting, seeder } = scene.ledger;
  const { anchorMs, epoch } = await seeder.anchorOf("acct_1");
  const old = { settings: DAY, epoch: counting.epoch + epoch, anchorMs };
  scene.write(scene.count(1, old));
  const underWay = scene.count(10, old);
  await scene.ledger.useShapes(DAY_AND_MONTH);
  scene.settings = DAY_AND_MONTH;
  expect([scene.used("day"), scene.used("month")]).toEqual([11, 1]);
  const unread = scene.count(100, old);
  scene.write(unread, scene.count(1000, { settings: DAY_AND_MONTH, epoch: counting.epoch, anchorMs }));
  expect([scene.used("day"), scene.used("month")]).toEqual([1111, 1001]);
  await scene.ledger.fold();
  expect([scene.used("day"), scene.used("month")]).toEqual([1111, 1101]);
  scene.write(underWay);
  await scene.ledger.fold();
  await scene.ledger.fold();
  expect([scene.used("day"), scene.used("month")]).toEqual([1111, 1111]);
});

test("a shape that goes and comes back has all of it", async () => {
  await using site = await JournalSite.open();
  const scene = await open(site, DAY_AND_MONTH);
  const { counting, seeder } = scene.ledger;
  const { anchorMs } = await seeder.anchorOf("acct_1");
  const first = { settings: DAY_AND_MONTH, epoch: counting.epoch, anchorMs };
  const underWay = scene.count(1, first);
  await scene.ledger.useShapes(DAY);
  scene.write(scene.count(10, { settings: DAY, epoch: counting.epoch, anchorMs }));
  await scene.ledger.useShapes(DAY_AND_MONTH);
  scene.write(scene.count(100, { settings: DAY_AND_MONTH, epoch: counting.epoch, anchorMs }), underWay);
  await scene.ledger.fold();
  expect([scene.used("day"), scene.used("month")]).toEqual([111, 111]);
});

test("a meter that would add up in another way is refused, and nothing changes", async () => {
  await using site = await JournalSite.open();
  const scene = await open(site, DAY);
  const epoch = scene.ledger.counting.epoch;
  const other = settingsWith("{ limit: 1000, per: day }", '{ aggregate: max, from: "response.header:x" }');
  await expect(scene.ledger.useShapes(other)).rejects.toThrow("Meter calls cannot change");
  expect(scene.ledger.counting.epoch).toBe(epoch);
});

test("a moved anchor: the new billing period has what was folded, what was on its way, and what comes after, each once", async () => {
  await using site = await JournalSite.open();
  const scene = await open(site, PERIOD);
  const { counting, seeder } = scene.ledger;
  const before = await seeder.anchorOf("acct_1");
  const old = { settings: PERIOD, epoch: counting.epoch + before.epoch, anchorMs: before.anchorMs };
  // Anchors of the 1st at 0:00 and of the 29th: the new period began 12 hours ago, the old one on the 1st.
  scene.write(scene.count(1, { ...old, atMs: NOW_MS - 20 * 3_600_000 }), scene.count(2, old));
  const underWay = scene.count(4, old);
  const moved = Date.UTC(2026, 0, 29);
  let told = 0;
  await new Anchors(site.db, scene.ledger).move(
    "acct_1",
    moved,
    async () => {
      told++;
      scene.write(scene.count(8, old));
      await scene.ledger.fold();
    },
    NO_NOTE,
  );
  const after = await seeder.anchorOf("acct_1");
  expect([told, after.anchorMs, after.epoch]).toEqual([1, moved, 1]);
  scene.write(underWay, scene.count(16, { settings: PERIOD, epoch: counting.epoch + after.epoch, anchorMs: moved }));
  await scene.ledger.fold();
  expect([scene.used("billing-period", moved), scene.used("billing-period", before.anchorMs)]).toEqual([30, 31]);
  // And back: the first period has what was counted by the other anchor too.
  await new Anchors(site.db, scene.ledger).move("acct_1", before.anchorMs, async () => undefined, NO_NOTE);
  const again = await seeder.anchorOf("acct_1");
  scene.write(scene.count(32, { settings: PERIOD, epoch: counting.epoch + again.epoch, anchorMs: again.anchorMs }));
  await scene.ledger.fold();
  expect(scene.used("billing-period", before.anchorMs)).toBe(63);
});

test("an anchor of the same minute moves nothing, and periods that begin alike but end on other days are two counters", async () => {
  await using site = await JournalSite.open();
  vi.setSystemTime(Date.UTC(2027, 2, 1));
  const scene = await open(site, PERIOD);
  const anchors = new Anchors(site.db, scene.ledger);
  await scene.ledger.seeder.ensure("acct_1");
  const [on29, on31] = [Date.UTC(2026, 0, 29), Date.UTC(2026, 0, 31)];
  await anchors.move("acct_1", on29, async () => undefined, NO_NOTE);
  const first = await scene.ledger.seeder.anchorOf("acct_1");
  scene.write(
    scene.count(5, {
      settings: PERIOD,
      epoch: scene.ledger.counting.epoch + first.epoch,
      anchorMs: on29,
      atMs: Date.UTC(2027, 2, 1),
    }),
  );
  await anchors.move("acct_1", on29, async () => undefined, NO_NOTE);
  expect(await scene.ledger.seeder.anchorOf("acct_1")).toEqual(first);
  await anchors.move("acct_1", on31, async () => undefined, NO_NOTE);
  const [shape] = scene.ledger.counting.shapesOf("calls");
  if (shape === undefined) throw new Error("No shape of calls");
  const used = (anchorMs: number) => {
    const window = windowAt(shape.window, Date.UTC(2027, 2, 1), anchorMs);
    return [
      new Date(window.endMs).getUTCDate(),
      scene.counters.used(scene.counters.key(counterName("acct_1", shape.key, "", window), window)),
    ];
  };
  expect([used(on29), used(on31)]).toEqual([
    [29, 5],
    [31, 5],
  ]);
});
