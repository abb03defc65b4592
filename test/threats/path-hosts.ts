/** B01–B05: whom a request is for, by its Host and by the forms of a target that name one. */
import { expect } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { answered, keyOf, malformed, orSyntax, passed, refused } from "./expectations.ts";
import type { Case, Row } from "./runner.ts";

const HOST = malformed(orSyntax("header:host"));
const FORM = malformed(orSyntax("target:form"));

const NO_HOSTS = [
  "", " ", "a,b", "a, b", "a b", "a\tb", "user@host", "a#b", "a/b", "a?b", "a\\b", "a%41", "a:b", "a:99999", "a:123456", "a:", "a:80:80",
  "[::1", "::1", "[::1]x", "[g::1]", "a;b", "a=b", '"a"', "http://a", "b\xfccher",
]; // biome-ignore format: a list
const CONTROL_HOSTS = ["a\0b", "a\x01", "a\x7fb", "a\x0bb"];

function bare(target: string, ...headers: readonly string[]): string {
  return [`GET ${target} HTTP/1.1`, ...headers, "", ""].join("\r\n");
}

export const PATH_HOSTS: readonly Row[] = [
  {
    id: "B01",
    class: "path",
    name: "a request of HTTP/1.1 has one Host that is a host and perhaps a port; anything else is refused",
    cases: (world) => {
      const key = keyOf(world);
      return [
        { what: "none", send: bare("/private/x", key), expect: HOST },
        { what: "none, with an absolute target", send: bare("http://test/private/x", key), expect: HOST },
        ...["test", "other"].map((second) => ({
          what: `test and ${second}`,
          send: bare("/private/x", "Host: test", `host: ${second}`, key),
          expect: malformed(orSyntax("header:duplicate")),
        })),
        ...NO_HOSTS.map((host) => ({
          what: JSON.stringify(host),
          send: bare("/private/x", `Host: ${host}`, key),
          expect: HOST,
        })),
        ...CONTROL_HOSTS.map((host) => ({
          what: JSON.stringify(host),
          send: bare("/private/x", `Host: ${host}`, key),
          expect: malformed("http:syntax"),
        })),
        ...["test:80", "TEST.example.", "[::1]:8080", "127.0.0.1"].map((host) => ({
          what: `${host} is one`,
          send: bare("/private/x", `Host: ${host}`, key),
          expect: passed({ upstream: { equals: { host } } }),
        })),
      ];
    },
  },
  {
    id: "B02",
    class: "path",
    name: "an absolute target decides route and Host, and goes on as a path; a Host that says another one is refused with 400",
    cases: (world) => {
      const key = keyOf(world);
      const to = (target: string, host: string) => bare(target, `Host: ${host}`, key);
      const disagree = malformed("header:host");
      return [
        { what: "another host", send: to("http://evil/private/x", "good"), expect: disagree },
        { what: "another port", send: to("http://good:81/private/x", "good"), expect: disagree },
        {
          what: "the route's host in the target",
          send: to("http://hosted.example/hosted/x", "good"),
          expect: disagree,
        },
        { what: "the route's host in Host", send: to("http://good/hosted/x", "hosted.example"), expect: disagree },
        { what: "a host no route has", send: to("http://evil/hosted/x", "evil"), expect: refused(404, "route:none") },
        {
          what: "both agree, but for case",
          send: to("http://Hosted.Example/hosted/x?a=1", "hosted.example"),
          expect: passed({ upstream: { equals: { host: "Hosted.Example" } } }),
        },
        { what: "no path", send: to("http://hosted.example", "hosted.example"), expect: refused(404, "route:none") },
        {
          what: "a query and no path",
          send: to("http://hosted.example?a=1", "hosted.example"),
          expect: refused(404, "route:none"),
        },
      ];
    },
    story: async (world) => {
      const send = bare("http://test/private/x?a=1", "Host: test", keyOf(world));
      await rawExchange(world.gateway.port, send, { responses: 1 });
      const { head } = world.upstream.last();
      expect(head.split("\r\n")[0]).toBe("GET /private/x?a=1 HTTP/1.1");
      expect(head.match(/^host:/gim)).toHaveLength(1);
    },
  },
  {
    id: "B03",
    class: "path",
    name: "an absolute target with user information, another scheme or a bad port is refused",
    cases: (world) => {
      const to = (target: string, host: string): Case => ({
        what: target,
        send: bare(target, `Host: ${host}`, keyOf(world)),
        expect: malformed(orSyntax("header:host|target:form|target:character")),
      });
      return [
        ...["user@test", "user:secret@test", "@test", "test@evil", "test%40evil"].map((at) =>
          to(`http://${at}/private/x`, at),
        ),
        to("http://user@test/private/x", "test"),
        ...["ftp", "file", "gopher", "ws", "javascript", "httpx", "urn"].map((scheme) =>
          to(`${scheme}://test/private/x`, "test"),
        ),
        to("http:/private/x", "test"),
        to("http:private/x", "test"),
        to("http:///private/x", "test"),
        to("http://", "test"),
        ...["99999", "x", "-1", "123456", ""].map((port) => to(`http://test:${port}/private/x`, `test:${port}`)),
        to("http://test\\private/x", "test"),
        to("http://[::1/private/x", "[::1"),
      ];
    },
  },
  {
    id: "B04",
    class: "path",
    name: "no tunnel is ever opened: CONNECT and authority targets are refused, and what follows is not sent on",
    cases: (world) => [
      ...["127.0.0.1:22", "test:443"].map((target) => ({
        what: target,
        send: `${requestHead("CONNECT", target, [keyOf(world)])}SSH-2.0-x\r\n`,
        expect: FORM,
      })),
      ...["/private/x", "http://test/private/x"].map((target) => ({
        what: target,
        send: `${requestHead("CONNECT", target, [keyOf(world)])}SSH-2.0-x\r\n`,
        expect: refused(405, "method:unknown", { close: true }),
      })),
      { what: "another method", send: bare("test:443", "Host: test:443", keyOf(world)), expect: FORM },
    ],
  },
  {
    id: "B05",
    class: "path",
    name: "`OPTIONS *` is answered by the gateway itself, with 204 and its methods; no other method and no other star",
    cases: (world) => {
      const key = keyOf(world);
      const star = (method: string, target: string, ...more: readonly string[]) =>
        requestHead(method, target, [key, ...more]);
      const local = (close: boolean) =>
        answered(204, {
          close,
          response: {
            equals: { allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" },
            absent: ["content-length", "transfer-encoding", "content-type"],
          },
        });
      return [
        { what: "OPTIONS *", send: star("OPTIONS", "*"), expect: local(false) },
        { what: "nobody's", send: requestHead("OPTIONS", "*"), expect: local(false) },
        { what: "the last one", send: star("OPTIONS", "*", "Connection: close"), expect: local(true) },
        { what: "with a body", send: `${star("OPTIONS", "*", "Content-Length: 5")}hello`, expect: local(false) },
        { what: "with a large body", send: star("OPTIONS", "*", "Content-Length: 65537"), expect: local(true) },
        {
          what: "and two lengths",
          send: star("OPTIONS", "*", "Content-Length: 5", "Content-Length: 5"),
          expect: malformed(/./),
        },
        { what: "without a host", send: "OPTIONS * HTTP/1.1\r\n\r\n", expect: HOST },
        ...["GET", "HEAD", "POST", "DELETE"].map((method) => ({ what: method, send: star(method, "*"), expect: FORM })),
        ...["*/x", "**", "*?a", "*#"].map((target) => ({
          what: target,
          send: star("OPTIONS", target),
          expect: malformed(orSyntax("target:form|target:character")),
        })),
        { what: "/*", send: star("OPTIONS", "/*"), expect: refused(404, "route:none") },
      ];
    },
  },
];
