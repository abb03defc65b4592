/** A fresh self-signed certificate for a name and 127.0.0.1, good for a day (X.509 v3 in DER, RFC 5280; ECDSA on P-256). */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface Certificate {
  /** PEM, as `node:tls` takes them. */
  readonly key: string;
  readonly cert: string;
}

const ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const BASIC_CONSTRAINTS = [0x55, 0x1d, 0x13];
const SUBJECT_ALT_NAME = [0x55, 0x1d, 0x11];

export function makeCertificate(host = "localhost"): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(tagged(0x06, ECDSA_WITH_SHA256));
  const name = sequence(tagged(0x31, sequence(tagged(0x06, COMMON_NAME), text(0x0c, host))));
  const names = sequence(text(0x82, host), tagged(0x87, [127, 0, 0, 1]));
  const extensions = sequence(
    sequence(tagged(0x06, BASIC_CONSTRAINTS), tagged(0x04, sequence(tagged(0x01, [0xff])))),
    sequence(tagged(0x06, SUBJECT_ALT_NAME), tagged(0x04, names)),
  );
  const body = sequence(
    tagged(0xa0, tagged(0x02, [2])),
    tagged(0x02, [1, ...randomBytes(15)]),
    algorithm,
    name,
    sequence(time(Date.now() - 3_600_000), time(Date.now() + 86_400_000)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, extensions),
  );
  const der = sequence(body, algorithm, tagged(0x03, [0, ...sign("sha256", body, privateKey)]));
  const cert = `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
  return { key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), cert };
}

function tagged(tag: number, content: Iterable<number>): Buffer {
  const bytes = Buffer.from([...content]);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(bytes.length)]), bytes]);
}

function lengthOf(bytes: number): readonly number[] {
  if (bytes < 0x80) return [bytes];
  return bytes < 0x100 ? [0x81, bytes] : [0x82, bytes >> 8, bytes & 0xff];
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function text(tag: number, value: string): Buffer {
  return tagged(tag, Buffer.from(value, "latin1"));
}

function time(ms: number): Buffer {
  return text(0x17, `${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`);
}
