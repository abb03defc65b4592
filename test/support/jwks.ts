/**
 * A real key-set server with moods: down, slow, wrong status, broken body, rotated keys; counts how often it was asked.
 * Does not make tokens (jwt.ts).
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { makeKey, type TestKey, type TokenParts, signToken } from "./jwt.ts";

export interface JwksState {
  /** Connections are dropped without an answer. */
  readonly down: boolean;
  /** Pause before each answer. */
  readonly delayMs: number;
  readonly status: number;
  /** Sent as it is in place of the key set. */
  readonly body: string | null;
  /** Comes behind the origin in `issuer`: Auth0's end in a slash. */
  readonly issuerSuffix: string;
  /** More response headers, `cache-control` say. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface JwksServer extends AsyncDisposable {
  /** Address of the key set, for `identity.issuers[].jwks`. */
  readonly url: string;
  /** A value for `iss`: the server's own origin. */
  readonly issuer: string;
  readonly keys: readonly TestKey[];
  /** Requests so far, dropped ones too. */
  readonly fetches: number;
  /** Changes what is named, keeps the rest. */
  set(state: Partial<JwksState>): void;
  /** Publishes only these keys from now on; without any, one new key of the first one's algorithm. Returns the first. */
  rotate(...keys: readonly TestKey[]): TestKey;
  /** A token of the first key with `iss` set. */
  token(parts?: TokenParts): string;
  close(): Promise<void>;
}

const HEALTHY: JwksState = { down: false, delayMs: 0, status: 200, body: null, issuerSuffix: "", headers: {} };

/** Publishes `keys`, by default one RS256 key. */
export async function startJwks(...keys: readonly TestKey[]): Promise<JwksServer> {
  const server = new MoodyJwks(keys.length === 0 ? [makeKey("RS256")] : keys);
  await server.listen();
  return server;
}

class MoodyJwks implements JwksServer {
  readonly #server: Server = createServer((_request, response) => void this.#serve(response));
  readonly #sockets = new Set<Socket>();
  #keys: readonly TestKey[];
  #state = HEALTHY;
  #fetches = 0;

  constructor(keys: readonly TestKey[]) {
    this.#keys = keys;
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get issuer(): string {
    // A TCP listener's address is never a string or null.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#state.issuerSuffix}`;
  }

  get url(): string {
    return `${this.issuer}/.well-known/jwks.json`;
  }

  get keys(): readonly TestKey[] {
    return this.#keys;
  }

  get fetches(): number {
    return this.#fetches;
  }

  set(state: Partial<JwksState>): void {
    this.#state = { ...this.#state, ...state };
  }

  rotate(...keys: readonly TestKey[]): TestKey {
    const first = keys[0] ?? makeKey(this.#first().alg);
    this.#keys = keys.length === 0 ? [first] : keys;
    return first;
  }

  token({ header = {}, claims = {} }: TokenParts = {}): string {
    return signToken(this.#first(), { header, claims: { iss: this.issuer, ...claims } });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  #first(): TestKey {
    const key = this.#keys[0];
    if (key === undefined) throw new Error("The key set is empty");
    return key;
  }

  async #serve(response: ServerResponse): Promise<void> {
    this.#fetches += 1;
    const { down, delayMs, status, body, headers } = this.#state;
    if (down) {
      response.destroy();
      return;
    }
    if (delayMs > 0) await sleep(delayMs);
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body ?? JSON.stringify({ keys: this.#keys.map((key) => key.jwk) }));
  }
}
