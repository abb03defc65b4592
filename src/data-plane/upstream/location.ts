/**
 * Where an answer sends its client. Pure. An app that names its own address, which clients cannot reach and should not know, means itself:
 * they get the path, as of nginx with `proxy_redirect default`. What names another host is the app's own to say, and passes.
 */

/** Where an upstream's target is. */
export interface Origin {
  readonly url: URL;
  /** Path that goes before every request path; no trailing slash. */
  readonly basePath: string;
}

/** `http://host` or `//host`, up to the path. */
const AUTHORITY = /^(?:https?:)?\/\/([^/?#]*)/i;
const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

/** The value of `Location` for clients. */
export function publicLocation(location: string, { url, basePath }: Origin): string {
  const [start, authority] = AUTHORITY.exec(location) ?? [];
  if (start === undefined || authority === undefined || !isAt(authority, url)) return location;
  const path = withoutBase(rooted(location.slice(start.length)), basePath);
  // Two slashes would begin another host's name.
  return /^\/[/\\]/.test(path) ? `/.${path}` : path;
}

function isAt(authority: string, url: URL): boolean {
  const host = authority.slice(authority.lastIndexOf("@") + 1).toLowerCase();
  return host === url.host || (url.port === "" && host === `${url.hostname}:${PORTS[url.protocol]}`);
}

function withoutBase(path: string, basePath: string): string {
  const rest = path.slice(basePath.length);
  return path.startsWith(basePath) && /^(?:[/?#]|$)/.test(rest) ? rooted(rest) : path;
}

function rooted(rest: string): string {
  return rest.startsWith("/") ? rest : `/${rest}`;
}
