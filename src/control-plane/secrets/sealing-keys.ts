/**
 * The keys that secrets of the store are sealed with. Main thread. They come from `store.sealingKeys`, else from the file `sealing-keys` in
 * the data folder, which is made at first use: a key a line, base64url, the first seals, the others open. With keys in the configuration
 * those of the file still open, until a rotation has resealed what they sealed.
 * The file holds at every moment the keys of all values in the store: a new one is in it before it seals, an old one until nothing needs it.
 */
import { join } from "node:path";
import type { Settings } from "#config/settings.ts";
import { readSecretFile, replaceSecretFile } from "#control-plane/store/secret-file.ts";
import { KEY_BYTES, newSealingKey, type SealingKey, sealingKeyOf } from "./envelope.ts";

/** In the data folder. */
export const SEALING_KEYS_FILE = "sealing-keys";

export class SealingKeys {
  readonly #settings: () => Pick<Settings, "store">;
  readonly #path: string;
  #ofFile: readonly SealingKey[];
  /** By id, dropped ones too: a value may have been read just before its key was dropped. */
  readonly #known = new Map<string, SealingKey>();

  /** Throws when the file is damaged or others may read it. */
  constructor(settings: () => Pick<Settings, "store">) {
    this.#settings = settings;
    this.#path = join(settings().store.dataDir, SEALING_KEYS_FILE);
    this.#ofFile = readKeys(this.#path);
  }

  /** Where the key that seals comes from. */
  get source(): "config" | "file" {
    return this.#settings().store.sealingKeys.length > 0 ? "config" : "file";
  }

  /** The first one seals; each once. Empty: none was needed yet. */
  all(): readonly SealingKey[] {
    const keys = [...this.#settings().store.sealingKeys.map(fromText), ...this.#ofFile];
    return [...new Map(keys.map((key) => [key.id, key])).values()];
  }

  /** The key that seals, made when there is none. Use it only while the store's connection is yours: see `rotation.ts`. */
  sealing(): SealingKey {
    return this.all()[0] ?? this.#addToFile();
  }

  byId(id: string): SealingKey | null {
    for (const key of this.all()) this.#known.set(key.id, key);
    return this.#known.get(id) ?? null;
  }

  /** Another key seals from now on: a new one, or the configuration's first, which only its file can change. */
  renew(): SealingKey {
    return this.source === "file" ? this.#addToFile() : this.sealing();
  }

  /** Drops the file's keys that seal nothing, the sealing one excepted. Their ids; those of the configuration are only named. */
  drop(isUsed: (id: string) => boolean): readonly string[] {
    const [first, ...others] = this.all();
    const dropped = others.filter(({ id }) => !isUsed(id)).map(({ id }) => id);
    for (const key of this.all()) this.#known.set(key.id, key);
    const kept = this.#ofFile.filter(({ id }) => id === first?.id || !dropped.includes(id));
    if (kept.length < this.#ofFile.length) this.#write(kept);
    return dropped;
  }

  #addToFile(): SealingKey {
    const key = newSealingKey();
    this.#write([key, ...this.#ofFile]);
    return key;
  }

  #write(keys: readonly SealingKey[]): void {
    const lines = keys.map(({ bytes }) => `${Buffer.from(bytes).toString("base64url")}\n`);
    replaceSecretFile(this.#path, lines.join(""));
    this.#ofFile = keys;
  }
}

function readKeys(path: string): readonly SealingKey[] {
  const lines = (readSecretFile(path) ?? "").split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const bytes = Buffer.from(line, "base64url");
    if (bytes.length !== KEY_BYTES)
      throw new Error(`File of sealing keys ${path} is damaged: restore it from a backup`);
    return sealingKeyOf(bytes);
  });
}

/** 32 bytes as hexadecimal or base64 text; the schema lets nothing else through. */
function fromText(text: string): SealingKey {
  return sealingKeyOf(Buffer.from(text, text.length === 2 * KEY_BYTES ? "hex" : "base64"));
}
