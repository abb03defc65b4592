/** A query that a rule hangs on: what passes means the same to every app, however it takes queries apart. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { queryParameter, withParameter } from "#data-plane/route/query.ts";

test.each([
  ["", null],
  ["x=1", null],
  ["account=acme", "acme"],
  ["x=1&account=acme&y=2", "acme"],
  ["account=%61cme", "acme"],
  ["account=Acme%20Inc%2B1", "Acme Inc+1"],
  ["account=Zo%C3%AB", "Zoë"],
  ["account=", ""],
  ["account", ""],
  ["account=a=b", "a=b"],
  ["account=acme&", "acme"],
  ["account=acme&&x", "acme"],
  ["accounts=x&my_account=y&accountid=z&filter[account]=w&account2=v", null],
  ["x=account=globex", null],
])("%j names %j", (query, value) => {
  expect(queryParameter(query, "account")).toBe(value);
});

test.each([
  "account=acme&account=globex",
  "account=acme&account=acme",
  "account=acme&Account=globex",
  "ACCOUNT=acme",
  "%61ccount=acme",
  "account=acme&%61ccount=globex",
  "account=acme&acc%6Funt=globex",
  "account[]=acme",
  "account%5B%5D=acme",
  "account=acme&account[]=globex",
  "account=acme&account[0]=globex",
  "account=acme&account[x=globex",
  "account=acme&account.x=globex",
  "account=acme&account%00x=globex",
  "account=acme&account%00=globex",
  "account=acme&account+=globex",
  "account=acme&%20account=globex",
  "account=acme&+account=globex",
  "account=acme&account%09=globex",
  "account=acme&-account=globex",
  "account=acme&acc%EF%BD%8Funt=globex",
  "account=acme&a%CC%80=x&acc%6funt=globex",
  "account=acme;account=globex",
  "account=acme;x=1",
  "x=1;account=acme",
  "account=acme&x=1;account=globex",
  "account=acme+inc",
  "account=%ff",
  "account=%",
  "account=%zz",
  "account=%C0%A1cme",
  "account=%u0061cme",
  "account=acme&%ff=1",
  "account=acme&%=1",
  "%zz=1",
])("%j could be read in two ways", (query) => {
  expect(queryParameter(query, "account")).toMatchObject({ code: "malformed_request", rule: "query:account" });
});

test.each(["user.id", "user-id", "userId", "user%20id", "user[id]", "userid"])(
  "signs in the name of the parameter are its own, and %s is like it",
  (other) => {
    expect(queryParameter("user_id=1", "user_id")).toBe("1");
    expect(queryParameter(`user_id=1&${other}=2`, "user_id")).toMatchObject({ code: "malformed_request" });
  },
);

/** Ways in which frameworks find the values of a parameter. */
const APPS: Readonly<Record<string, (query: string) => readonly string[]>> = {
  // Node, Go, Rust, Python: exact names, form decoding.
  form: (query) => new URLSearchParams(query).getAll("account"),
  "form, split at ; too": (query) => new URLSearchParams(query.replaceAll(";", "&")).getAll("account"),
  // ASP.NET.
  "any case": (query) =>
    [...new URLSearchParams(query)].flatMap(([name, value]) => (name.toLowerCase() === "account" ? [value] : [])),
  // PHP, qs, Rack: what stands before a bracket, a dot or a NUL, without blanks before it.
  nested: (query) =>
    [...new URLSearchParams(query)].flatMap(
      ([name, value]) => ((name.trimStart().split(/[[.\0]/, 1)[0] ?? "") === "account" ? [value] : []), // biome-ignore lint: NUL is the point
    ),
  // Plain RFC 3986: a + is a plus.
  "without form decoding": (query) =>
    query.split("&").flatMap((pair) => {
      const [name = "", ...rest] = pair.split("=");
      return lenient(name) === "account" ? [lenient(rest.join("="))] : [];
    }),
};

function lenient(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

test("whatever passes has the same one value in every app, and what has none has none", () => {
  const name = fc.oneof(
    fc.constant("account"),
    fc.constantFrom("Account", "%61ccount", "account[]", "account.x", "account%00", "+account", "x", "a;account", ""),
    fc.stringMatching(/^[a-c%+;[\].]{0,4}$/),
  );
  const value = fc.constantFrom("acme", "globex", "%61cme", "a+b", "a%2Bb", "", "a;account=globex", "%", "a=b");
  const pair = fc.tuple(name, fc.constantFrom("=", "=", "=", ""), value).map((parts) => parts.join(""));
  const query = fc.array(pair, { maxLength: 4 }).map((pairs) => pairs.join("&"));
  const passed = { value: 0, nothing: 0 };
  fc.assert(
    fc.property(query, (text) => {
      const read = queryParameter(text, "account");
      if (typeof read === "object" && read !== null) return;
      if (read === null) passed.nothing++;
      else passed.value++;
      const seen = Object.entries(APPS).map(([app, values]) => [app, values(text)]);
      const expected = Object.keys(APPS).map((app) => [app, read === null ? [] : [read]]);
      expect(seen).toEqual(expected);
    }),
    { numRuns: 5000 },
  );
  expect(Math.min(passed.value, passed.nothing)).toBeGreaterThan(100);
});

test("a parameter is put behind all others, and read again as what it is", () => {
  expect(withParameter("/calls", "", "ownerId", "u1")).toBe("/calls?ownerId=u1");
  expect(withParameter("/calls?", "", "ownerId", "u1")).toBe("/calls?ownerId=u1");
  expect(withParameter("/calls?page=2", "page=2", "ownerId", "a&b=c#+ é")).toBe(
    "/calls?page=2&ownerId=a%26b%3Dc%23%2B%20%C3%A9",
  );
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), fc.constantFrom("", "x=1", "x=1&y"), (user, query) => {
      const target = withParameter(query === "" ? "/calls" : `/calls?${query}`, query, "ownerId", user);
      expect(queryParameter(target.slice(target.indexOf("?") + 1), "ownerId")).toBe(user);
    }),
  );
});
