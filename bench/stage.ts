/** What all contenders of a run have in common: the app, a folder, a key and a token that peers know. Starts no contender. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { type App, startApp } from "./app/start.ts";
import { SIDE_CORE } from "./parts/pin.ts";

export const ISSUER = "https://bench.test";
export const AUDIENCE = "bench";
/** As the operator's own systems call it: what tokens name. */
export const ACCOUNT = "bench";
/** Peers take any text for a key; this one has the length of the gateway's own. */
export const PEER_KEY = "tg_sk_live_0123456789abcdefghijklmnopqrstuv";

export interface Stage extends AsyncDisposable {
  readonly dir: string;
  readonly app: App;
  /** RS256, good for an hour. */
  readonly token: string;
}

export async function openStage(): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-bench-"));
  const key = makeKey("RS256", "bench");
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: ACCOUNT, roles: ["Developer"] };
  writeFileSync(join(dir, "jwks.json"), JSON.stringify({ keys: [key.jwk] }));
  writeFileSync(join(dir, "public.pem"), key.publicKey.export({ type: "spki", format: "pem" }));
  writeFileSync(join(dir, "keys.map"), `${PEER_KEY} ${ACCOUNT}\n`);
  writeFileSync(join(dir, "roles.map"), `${ACCOUNT} Developer\n`);
  const app = await startApp(SIDE_CORE, dir);
  return {
    dir,
    app,
    token: signToken(key, { claims }),
    [Symbol.asyncDispose]: async () => {
      await app[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
