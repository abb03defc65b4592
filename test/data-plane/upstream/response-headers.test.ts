/** What a client gets of an upstream's answer: its fields line by line, and only the gateway's word on limits and request id. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isRefusal, type Passage } from "#data-plane/exchange.ts";
import { clientResponseHeaders } from "#data-plane/upstream/response-headers.ts";
import { passageOf } from "#test/data-plane/passage-of.ts";

const LIMITS = ["RateLimit-Policy", '"api";q=10;w=60', "RateLimit", '"api";r=9;t=6'];

const answer = (status: number) => ({ status, target: { url: new URL("http://app.test:9000"), basePath: "" } });

function passage(limitHeaders: readonly string[] = []): Passage {
  const made = passageOf({ rawHeaders: ["Host", "a.test"], limitHeaders });
  if (isRefusal(made)) throw new Error(`Refused by ${made.rule}`);
  return made;
}

const HIDDEN = [
  "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "transfer-encoding", "upgrade", "x-tollgate-account",
  "x-tollgate-plan", "x-consumer-id", "x-request-id", "x-named",
]; // biome-ignore format: a list
const SHOWN = ["content-type", "content-length", "set-cookie", "www-authenticate", "date", "x-custom", "server"];

test("hop-by-hop, identity and named fields are left out whatever their case, the others stay line by line in order", () => {
  const field = (names: readonly string[], value: string) =>
    fc.tuple(fc.constantFrom(...names, ...names.map((name) => name.toUpperCase())), fc.constant(value));
  const fields = fc.array(fc.oneof(field(HIDDEN, "hidden"), field(SHOWN, "shown")), { maxLength: 20 });
  fc.assert(
    fc.property(fields, fc.boolean(), (list, limited) => {
      const raw = [...list.flat(), "Connection", "close, X-Named"];
      const headers = clientResponseHeaders(raw, passage(limited ? LIMITS : []), answer(200));
      const own = ["x-request-id", "req_mine", ...(limited ? LIMITS : [])];
      const shown = list.filter(([, value]) => value === "shown").flat();
      expect(headers).toEqual([...shown, ...own]);
    }),
    { numRuns: 500 },
  );
});

test("limits of the upstream pass where the gateway sets none, and give way where it does", () => {
  const raw = ["RateLimit", "theirs", "X-RateLimit-Remaining", "1", "ratelimit-policy", "theirs", "Retry-After", "5"];
  expect(clientResponseHeaders(raw, passage(), answer(200))).toEqual([...raw, "x-request-id", "req_mine"]);
  expect(clientResponseHeaders(raw, passage(LIMITS), answer(200))).toEqual([
    "Retry-After",
    "5",
    "x-request-id",
    "req_mine",
    ...LIMITS,
  ]);
});

test("trailers are announced only where an answer can have them", () => {
  const announced = (raw: readonly string[], status: number) =>
    clientResponseHeaders([...raw, "Trailer", "X-Sum"], passage(), answer(status)).includes("Trailer");
  expect(announced(["Transfer-Encoding", "chunked"], 200)).toBe(true);
  expect(announced(["Content-Length", "3"], 200)).toBe(false);
  expect(announced([], 204)).toBe(false);
  expect(announced([], 304)).toBe(false);
});
