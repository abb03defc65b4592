/** The key with a secret, whether it is one of our own or was imported and nobody has used it yet. Main thread. */
import { KeyFormats } from "#core/key-format.ts";
import type { ApiKey } from "#control-plane/accounts/api-key.ts";
import { reject } from "./problems.ts";
import type { Services } from "./services.ts";

/** `fault` of the text as a key of our own: `format` when it is none. */
export async function keyOfSecret(
  { keys, foreignKeys, settings }: Services,
  secret: string,
): Promise<{ readonly key: ApiKey | null; readonly fault: ReturnType<KeyFormats["fault"]> }> {
  const { format, accept, environments } = settings().identity.keys;
  const fault = new KeyFormats([format, ...accept], environments).fault(secret);
  const key = await keys.bySecret(secret);
  if (key !== null || fault !== "format") return { key, fault };
  const imported = await foreignKeys.find(secret);
  if (imported === "busy") reject("overloaded", "key:import", "Too many keys are looked for just now");
  return { key: imported, fault };
}
