/** The pepper of the API keys: 32 random bytes beside the store, not in it, made at first start. Main thread. Lost, no key can be checked any more. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { secretFile } from "./secret-file.ts";

export function pepperOf(dataDir: string): Uint8Array {
  const pepper = Buffer.from(
    secretFile(join(dataDir, "pepper"), () => randomBytes(32).toString("base64url")),
    "base64url",
  );
  if (pepper.length !== 32)
    throw new Error(`Pepper file ${join(dataDir, "pepper")} is damaged: restore it from a backup`);
  return pepper;
}
