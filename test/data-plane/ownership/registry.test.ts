/** What a worker remembers of owners: never anything that a change has overtaken, whenever the change comes. */
import { expect, onTestFinished, test } from "vitest";
import { ControlLink } from "#data-plane/identity/control-link.ts";
import { Registry } from "#data-plane/ownership/registry.ts";
import type { FromWorker } from "#shared/messages.ts";
import type { ResourceRecord } from "#shared/resources.ts";

type Asked = Extract<FromWorker, { type: "ask" }>;

/** A registry whose questions the test answers when it likes. */
function site() {
  const asked: Asked[] = [];
  const link = new ControlLink((message) => {
    if (message.type === "ask") asked.push(message);
  });
  const registry = new Registry(link);
  const answer = async (resource: ResourceRecord | null) => {
    const question = asked.shift();
    if (question === undefined) throw new Error("Nothing was asked");
    link.answered(question.id, { kind: "resource", resource });
    // What hangs on the answer runs.
    await new Promise(setImmediate);
  };
  // A question that stays open is given up with an error after ten seconds, in the middle of some other test.
  onTestFinished(async () => {
    while (asked.length > 0) await answer(null);
  });
  return { registry, asked, answer };
}

const ofAcme = (id: string): ResourceRecord => ({ id, account: "acct_acme", user: null, shares: [] });
const change = (id: string) => ({ kind: "resource", resource: "models", id }) as const;

test("what was found and what was not is asked for once", async () => {
  const { registry, asked, answer } = site();
  const [found, none] = [registry.find("models", "m1"), registry.find("models", "m2")];
  await answer(ofAcme("m1"));
  await answer(null);
  expect([await found, await none]).toEqual([ofAcme("m1"), null]);
  expect([registry.find("models", "m1"), registry.find("models", "m2")]).toEqual([ofAcme("m1"), null]);
  expect(registry.find("agents", "m2")).toBeInstanceOf(Promise);
  expect(asked).toHaveLength(1);
});

test("an answer that a change has overtaken is asked for again before anybody is let in by it", async () => {
  const { registry, asked, answer } = site();
  const found = registry.find("models", "m1");
  registry.invalidate(change("m1"));
  await answer(null);
  expect(asked).toHaveLength(1);
  await answer(ofAcme("m1"));
  expect(await found).toEqual(ofAcme("m1"));
});

test("so is one for another spelling of the id, and not one for another thing", async () => {
  const { registry, asked, answer } = site();
  const [spelt, other] = [registry.find("models", "7-title"), registry.find("models", "8")];
  registry.invalidate(change("007"));
  await answer(null);
  await answer(null);
  expect(asked.map(({ question }) => question)).toMatchObject([{ id: "7-title" }]);
  await answer(ofAcme("007"));
  expect([await spelt, await other]).toEqual([ofAcme("007"), null]);
});

test.each(["7", "007", "7.0", "7-title"])(
  "what was nobody's under the name %s is asked for anew when 7 is made",
  async (name) => {
    const { registry, answer } = site();
    const none = registry.find("models", name);
    await answer(null);
    expect(await none).toBeNull();
    expect(registry.find("models", name)).toBeNull();
    registry.invalidate(change("7"));
    expect(registry.find("models", name)).toBeInstanceOf(Promise);
  },
);

test("a change of many forgets all, and all that is on its way", async () => {
  const { registry, asked, answer } = site();
  const known = registry.find("models", "m1");
  await answer(ofAcme("m1"));
  await known;
  const under = registry.find("models", "m2");
  registry.invalidate({ kind: "resources", id: "models" });
  await answer(null);
  expect(asked).toHaveLength(1);
  await answer(ofAcme("m2"));
  expect(await under).toEqual(ofAcme("m2"));
  expect(registry.find("models", "m1")).toBeInstanceOf(Promise);
});

test("found by another spelling, a thing is not remembered under it: nobody would forget it there", async () => {
  const { registry, answer } = site();
  const spelt = registry.find("models", "07");
  await answer(ofAcme("7"));
  expect(await spelt).toEqual(ofAcme("7"));
  expect(registry.find("models", "07")).toBeInstanceOf(Promise);
});
