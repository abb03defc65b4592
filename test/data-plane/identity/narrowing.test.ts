/** What narrowed keys are good for. */
import { expect, test } from "vitest";
import { compileNarrowing, narrowingRefusal } from "#data-plane/identity/narrowing.ts";
import { type KeyNarrowing, UNNARROWED } from "#shared/principals.ts";

const USE = { route: "models", method: "GET", address: "192.0.2.7" };

function rule(narrowing: Partial<KeyNarrowing>, use: Partial<typeof USE> = {}): string | null {
  const compiled = compileNarrowing({ ...UNNARROWED, ...narrowing });
  return compiled === null ? "all" : (narrowingRefusal(compiled, { ...USE, ...use })?.rule ?? null);
}

test("a key that is not narrowed costs no check", () => expect(rule({})).toBe("all"));

test.each([
  [{ routes: ["models"] }, {}, null],
  [{ routes: ["models"] }, { route: "model" }, "key:route"],
  [{ routes: ["models"] }, { route: "tollgate.api-keys.list" }, "key:route"],
  [{ methods: ["GET"] }, {}, null],
  [{ methods: ["GET"] }, { method: "HEAD" }, null],
  [{ methods: ["GET"] }, { method: "POST" }, "key:method"],
  [{ methods: ["HEAD"] }, {}, "key:method"],
  [{ addresses: ["192.0.2.0/24"] }, {}, null],
  [{ addresses: ["192.0.2.7"] }, {}, null],
  [{ addresses: ["192.0.2.8/29"] }, {}, "key:address"],
  [{ addresses: ["2001:db8::/32"] }, { address: "2001:db8:1::9" }, null],
  [{ addresses: ["2001:db8::/32"] }, { address: "2001:db9::1" }, "key:address"],
  [{ addresses: ["2001:db8::/32"] }, {}, "key:address"],
  // IPv4 addresses are IPv6 ones that begin with ::ffff: (RFC 4291 §2.5.5.2).
  [{ addresses: ["::/0"] }, {}, null],
  [{ addresses: ["::ffff:192.0.2.0/120"] }, {}, null],
  [{ routes: ["other"], methods: ["POST"], addresses: ["::1"] }, {}, "key:address"],
])("%j on %j: %s", (narrowing, use, expected) => expect(rule(narrowing, use)).toBe(expected));
