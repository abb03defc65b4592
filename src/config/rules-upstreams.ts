/** Rules for `upstreams`: targets that a gateway may talk to. Main thread. Not here: what a name resolves to at run time. */
import { addressOf, isUnsafeTarget, reaches } from "./listen-address.ts";
import type { Path } from "./locate.ts";
import type { Report } from "./report.ts";
import { checkTimeout, ownAddresses } from "./rules-server.ts";
import type { View } from "./view.ts";

/** Checks every target of every upstream. */
export function checkUpstreams(view: View, report: Report): void {
  const own = ownAddresses(view);
  for (const { path, value } of view.upstreams) {
    checkTimeout(value.connectTimeout, [...path, "connectTimeout"], report);
    checkTimeout(value.queue?.timeout, [...path, "queue", "timeout"], report);
    for (const [index, target] of value.targets.entries()) {
      const isText = typeof target === "string";
      const at = [...path, "targets", index, ...(isText ? [] : ["url"])];
      const url = checkTarget(isText ? target : target.url, at, report);
      if (url === null) continue;
      const address = addressOf(url);
      if (value.allowUnsafeTargets !== true && isUnsafeTarget(address.host)) {
        const hint = "allowUnsafeTargets: true if it is meant";
        report.value(at, `Expected a target that is no link-local or metadata address, got ${address.host}`, hint);
      }
      if (own.some((listener) => reaches(address, listener))) {
        report.value(at, `Expected another app, got the gateway's own address ${address.host}:${address.port}`);
      }
    }
  }
}

/** The URL when it is one; its host can be judged even if other parts are refused. */
function checkTarget(text: string, path: Path, report: Report): URL | null {
  const url = URL.parse(text);
  if (url === null) {
    report.value(path, "Expected a URL that can be read", "such as http://127.0.0.1:9000");
    return null;
  }
  if (url.username !== "" || url.password !== "") report.value(path, "Expected a URL without user name and password");
  if (/[?#]/.test(text)) report.value(path, "Expected a URL without query and fragment");
  return url;
}
