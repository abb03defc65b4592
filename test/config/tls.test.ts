/** `server.tls`: what is no certificate, no key or not its key is told at its place, and a key never repeated. */
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { makeCertificate } from "#test/support/certificate.ts";
import { BASE, faultsOf, settingsOf } from "./faults-of.ts";

const { cert, key } = makeCertificate();
const another = makeCertificate().key;
const encrypted = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" },
}).privateKey;

const file = (tls: object) => `${BASE}server: ${JSON.stringify({ tls })}\n`;

test("a certificate with its key is taken", () => {
  expect(settingsOf(file({ cert, key })).server.tls).toEqual({ cert, key, minVersion: "TLSv1.2" });
  expect(settingsOf(file({ cert, key, minVersion: "TLSv1.3" })).server.tls?.minVersion).toBe("TLSv1.3");
  expect(settingsOf(BASE).server.tls).toBeNull();
});

test.each<[string, object, string]>([
  ["no certificate", { cert: "x", key }, "Expected a certificate in PEM"],
  ["a key in its place", { cert: key, key }, "Expected a certificate in PEM"],
  ["a cut certificate", { cert: cert.slice(0, 200), key }, "Expected a certificate in PEM"],
  [
    "a broken one behind it",
    { cert: cert + cert.slice(0, 200), key },
    "Expected a certificate and a key that TLS takes",
  ],
  ["no key", { cert, key: "secret" }, "Expected a private key in PEM"],
  ["an encrypted key", { cert, key: encrypted }, "Expected a private key that is not encrypted"],
  [
    "another key",
    { cert, key: another },
    "Expected the private key of the certificate in server.tls.cert, got another",
  ],
  ["a missing key", { cert }, 'Missing key "key"'],
  ["an old version", { cert, key, minVersion: "TLSv1.1" }, 'Expected "TLSv1.2" or "TLSv1.3"'],
  ["a key that is no text", { cert, key: 5 }, "Expected text"],
  ["a key in the place of a version", { cert, key, minVersion: key }, "got 241 characters"],
  ["a key in the place of the map", key as unknown as object, "got 241 characters"],
  ["a key as a name", { cert, key, [key]: 1 }, "Unknown key 241 characters"],
])("%s", (_title, tls, fault) => {
  const faults = faultsOf(file(tls));
  expect(faults).toEqual([expect.stringContaining(fault)]);
  expect(faults.join()).not.toMatch(/secret|MIG|BEGIN EC/);
});
