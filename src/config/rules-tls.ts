/** Rules for `server.tls`: a certificate that can be read, and its own key. Main thread. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Report } from "./report.ts";
import type { ServerPart } from "./view.ts";

type TlsPart = Exclude<ServerPart["tls"], undefined>;

const CERT = ["server", "tls", "cert"];
const KEY = ["server", "tls", "key"];

export function checkTls({ cert, key, minVersion }: TlsPart, report: Report): void {
  const certificate = readCertificate(cert);
  const privateKey = readKey(key);
  if (certificate === null) report.value(CERT, "Expected a certificate in PEM", "such as ${file:certs/fullchain.pem}");
  if (typeof privateKey === "string") report.value(KEY, privateKey, "such as ${file:certs/key.pem}");
  if (certificate === null || typeof privateKey === "string") return;
  if (!certificate.checkPrivateKey(privateKey))
    return report.value(KEY, "Expected the private key of the certificate in server.tls.cert, got another one");
  const refusal = refusedByTls({ cert, key, minVersion: minVersion ?? "TLSv1.2" });
  if (refusal !== null) report.value(CERT, `Expected a certificate and a key that TLS takes, got: ${refusal}`);
}

function readCertificate(text: string): X509Certificate | null {
  try {
    return text.includes("-----BEGIN") ? new X509Certificate(text) : null;
  } catch {
    return null;
  }
}

/** The key, or what is wrong with it. */
function readKey(text: string): KeyObject | string {
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(text))
    return "Expected a private key that is not encrypted";
  try {
    return createPrivateKey(text);
  } catch {
    return "Expected a private key in PEM";
  }
}

/** What OpenSSL says against it: a broken chain, a key too short. null: nothing. */
function refusedByTls(options: { cert: string; key: string; minVersion: "TLSv1.2" | "TLSv1.3" }): string | null {
  try {
    createSecureContext(options);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
