/** How a key is kept: HMAC-SHA-256, checked against the vector of RFC 4231 §4.3. */
import { expect, test } from "vitest";
import { keyHash } from "#core/key-hash.ts";

test("the hash is HMAC-SHA-256 under the pepper", () => {
  const hash = keyHash("what do ya want for nothing?", Buffer.from("Jefe"));
  expect(Buffer.from(hash, "base64url").toString("hex")).toBe(
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
  expect(hash).toHaveLength(43);
});

test("another pepper makes another hash of the same key", () => {
  expect(keyHash("tg_sk_live_x", Buffer.alloc(32, 1))).not.toBe(keyHash("tg_sk_live_x", Buffer.alloc(32, 2)));
});
