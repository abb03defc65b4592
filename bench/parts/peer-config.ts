/** Fills in what differs from run to run in a configuration of `peers/`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PEERS = join(import.meta.dirname, "..", "peers");

export interface PeerPlace {
  readonly dir: string;
  readonly port: number;
  /** `HOST:PORT` of the app. */
  readonly upstream: string;
}

/** Returns the path of the file that was written. */
export function writePeerConfig(name: string, { dir, port, upstream }: PeerPlace): string {
  const text = readFileSync(join(PEERS, name), "utf8")
    .replaceAll("@PORT@", String(port))
    .replaceAll("@DIR@", dir)
    .replaceAll("@UPSTREAM@", upstream);
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}
