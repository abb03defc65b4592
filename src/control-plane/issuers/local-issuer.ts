/** The gateway's own issuer (`preset: local`): an Ed25519 key made at first use, which signs what `tollgate token` hands out. Main thread. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { calculateJwkThumbprint, SignJWT } from "jose";
import type { IssuerSettings } from "#config/identity-settings.ts";
import { secretFile } from "#control-plane/store/secret-file.ts";

export interface TokenWish {
  readonly account: string;
  readonly user: string | null;
  readonly roles: readonly string[];
  readonly plan: string | null;
  readonly lifetimeMs: number;
  /** Who acts as the user; left out: the user. */
  readonly actor?: TokenActor;
  /** `jti`; left out: none. */
  readonly id?: string;
}

/** The `act` claim, as RFC 8693 §4.1 has it. */
export interface TokenActor {
  readonly sub: string;
  /** `Actor.kind`. */
  readonly kind: string;
}

export class LocalIssuer {
  readonly #key: KeyObject;

  constructor(dataDir: string) {
    const make = () => generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    this.#key = createPrivateKey(secretFile(join(dataDir, "local-issuer.pem"), make));
  }

  /** The public set, as text. */
  async keySet(): Promise<string> {
    const jwk = createPublicKey(this.#key).export({ format: "jwk" });
    return JSON.stringify({ keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk), use: "sig", alg: "EdDSA" }] });
  }

  /** A token this gateway accepts, with the claims `issuer.claims` maps. */
  async sign(issuer: IssuerSettings, wish: TokenWish): Promise<string> {
    const { claims } = issuer;
    const payload: Record<string, unknown> = { [claims.user]: wish.user ?? wish.account };
    if (claims.account !== null) payload[claims.account] = wish.account;
    if (claims.roles !== null) payload[claims.roles] = wish.roles;
    if (claims.plan !== null && wish.plan !== null) payload[claims.plan] = wish.plan;
    if (wish.actor !== undefined) payload.act = wish.actor;
    if (wish.id !== undefined) payload.jti = wish.id;
    const kid = await calculateJwkThumbprint(createPublicKey(this.#key).export({ format: "jwk" }));
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT(payload)
      .setProtectedHeader({ alg: "EdDSA", kid, typ: "JWT" })
      .setIssuer(issuer.issuer)
      .setAudience(issuer.audiences[0] ?? "")
      .setIssuedAt(now)
      .setExpirationTime(now + Math.max(1, Math.round(wish.lifetimeMs / 1000)))
      .sign(this.#key);
  }
}
