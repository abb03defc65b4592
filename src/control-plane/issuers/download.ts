/** Asking an issuer: for its key set, or for its OpenID configuration, which says where that is. Main thread. */
import { request } from "undici";
import type { IssuerSettings } from "#config/identity-settings.ts";

const FETCH_TIMEOUT_MS = 5000;
const BYTES_MAX = 1024 * 1024;

/** The text of the issuer's key set. Throws with the reason. */
export async function downloadKeySet({ issuer, jwks }: IssuerSettings): Promise<string> {
  if (jwks.kind === "url") return download(jwks.url);
  if (jwks.kind === "discovery") return download(keySetOf(await download(jwks.url), issuer, jwks.url));
  throw new Error("Key set is on this machine");
}

/** OpenID Connect Discovery 1.0 §4.3: a configuration that names another issuer is somebody else's. */
function keySetOf(text: string, issuer: string, from: string): string {
  const configuration: unknown = JSON.parse(text);
  if (typeof configuration !== "object" || configuration === null) throw new Error("OpenID configuration is no object");
  const named = "issuer" in configuration ? configuration.issuer : undefined;
  if (named !== issuer)
    throw new Error(`OpenID configuration is of the issuer ${JSON.stringify(named)?.slice(0, 200)}, not ${issuer}`);
  const address = "jwks_uri" in configuration ? configuration.jwks_uri : undefined;
  const url = typeof address === "string" ? URL.parse(address) : null;
  if (url === null) throw new Error("OpenID configuration has no usable jwks_uri");
  // Plain http where the configuration itself came that way, which the file's rules allow for this machine only.
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && url.origin === new URL(from).origin);
  if (!isSafe) throw new Error(`OpenID configuration has a jwks_uri that is not https: ${url.href.slice(0, 200)}`);
  return url.href;
}

/** The text behind the URL: status 200, at most 1 MiB, within 5 s, no redirects. */
async function download(url: string): Promise<string> {
  const { statusCode, body } = await request(url, {
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > BYTES_MAX) throw new Error(`Key set is larger than ${BYTES_MAX} bytes`);
    chunks.push(part);
  }
  if (statusCode !== 200) throw new Error(`Issuer answered ${statusCode}`);
  return Buffer.concat(chunks).toString("utf8");
}
