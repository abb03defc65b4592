/** C01–C04, C12: header names by which a client pretends to be the gateway, or a parser is to be confused. */
import { requestHead } from "#test/support/raw.ts";
import { bearer, get, getPrivate, malformed, passed, passedAnonymously } from "./expectations.ts";
import type { Row } from "./runner.ts";

const FORGED = [
  "X-Tollgate-Account: evil",
  "x-tollgate-ACCOUNT: evil2",
  "X-TOLLGATE-Roles: Admin",
  "X-Tollgate-Plan: pro",
  "X-Tollgate-Anything: evil",
  "X-Consumer-Id: evil",
  "x-consumer-id: evil2",
  "X-Consumer-Username: root",
  "X-User-Id: 1",
  "X-User-Role: admin",
  "X-Credential-Identifier: evil",
  "X-Authenticated-UserId: evil",
];
const FORGED_NAMES = ["x-consumer-id", "x-consumer-username", "x-user-id", "x-user-role", "x-tollgate-anything"];
const OUR_NAMES = ["x-tollgate-account", "x-tollgate-user", "x-tollgate-roles", "x-tollgate-plan", "x-tollgate-key-id"];

const TWINS = [
  "X_Consumer_Id",
  "x-consumer_id",
  "X_Tollgate_Account",
  "x-tollgate_account",
  "X_Forwarded_For",
  "Transfer_Encoding",
];
const DOTTED = ["X.Consumer.Id", "x-tollgate.account", "X.Forwarded.For", "X.Api.Key"];

const PROTECTED = [
  "X-Consumer-Id",
  "x-tollgate-account",
  "Authorization",
  "X-Api-Key",
  "X-Forwarded-For",
  "X-Real-IP",
  "Forwarded",
  "Host",
  "Content-Length",
  "X-Request-Id",
  "X_Tollgate_Account",
];

const INHERITED = ["constructor", "toString", "hasOwnProperty", "valueOf", "isPrototypeOf"];

export const IDENTITY_NAMES: readonly Row[] = [
  {
    id: "C01",
    class: "identity",
    name: "client copies of identity headers never reach the upstream",
    cases: ({ acme, token }) => [
      {
        what: "nobody in particular",
        send: get("/public/x", ...FORGED),
        expect: passedAnonymously({ upstream: { absent: [...FORGED_NAMES, ...OUR_NAMES] } }),
      },
      {
        what: "a key: what the gateway says, and nothing else",
        send: getPrivate(...FORGED, `X-Api-Key: ${acme.key}`, "X-Tollgate-User: root"),
        expect: passed({
          upstream: {
            equals: {
              "x-tollgate-account": "acme",
              "x-tollgate-roles": "User",
              "x-tollgate-plan": "free",
              "x-tollgate-key-id": acme.keyId,
            },
            absent: [...FORGED_NAMES, "x-tollgate-user"],
          },
        }),
      },
      {
        what: "a token",
        send: getPrivate(...FORGED, bearer(token()), "X-Tollgate-Key-Id: key_1"),
        expect: passed({
          upstream: {
            equals: { "x-tollgate-account": "acme", "x-tollgate-user": "u1" },
            absent: [...FORGED_NAMES, "x-tollgate-key-id"],
          },
        }),
      },
    ],
  },
  {
    id: "C02",
    class: "identity",
    name: "twins of identity headers with underscores, dots or spaces are refused",
    cases: ({ acme }) => {
      const withName = (name: string) => getPrivate(`${name}: evil`, `X-Api-Key: ${acme.key}`);
      return [
        ...TWINS.map((name) => ({ what: name, send: withName(name), expect: malformed("header:underscore") })),
        ...DOTTED.map((name) => ({ what: name, send: withName(name), expect: malformed("header:twin") })),
        { what: "spaces", send: withName("X Consumer Id"), expect: malformed("http:syntax") },
        { what: "space at the end", send: withName("X-Consumer-Id "), expect: malformed("http:syntax") },
      ];
    },
  },
  {
    id: "C03",
    class: "identity",
    name: "`Connection` cannot take away what the gateway vouches for",
    cases: ({ acme }) => [
      ...PROTECTED.map((name) => ({
        what: name,
        send: getPrivate(`Connection: close, ${name}`, `X-Api-Key: ${acme.key}`),
        expect: malformed("header:connection"),
      })),
      {
        what: "a header of the client's own is dropped, the gateway's survive",
        send: getPrivate("Connection: X-Mine, traceparent", "X-Mine: 1", "X-Other: 2", `X-Api-Key: ${acme.key}`),
        expect: passed({
          upstream: {
            equals: { "x-other": "2", "x-tollgate-account": "acme", "x-forwarded-for": "127.0.0.1", host: "test" },
            absent: ["x-mine"],
          },
        }),
      },
    ],
  },
  {
    id: "C04",
    class: "identity",
    name: "hop-by-hop headers end at the gateway, and more than 32 options in `Connection` are refused",
    cases: () => {
      const options = (count: number) => Array.from({ length: count }, (_, index) => `x-option-${index}`).join(", ");
      return [
        {
          what: "each hop-by-hop header",
          send: get(
            "/public/x",
            "Connection: close, keep-alive",
            "Keep-Alive: timeout=9",
            "Proxy-Connection: x",
            "TE: trailers, gzip",
            "Upgrade: foo",
            "Proxy-Authorization: Basic eA==",
          ),
          expect: passedAnonymously({
            close: true,
            upstream: {
              equals: { connection: "keep-alive" },
              absent: ["keep-alive", "proxy-connection", "te", "upgrade", "proxy-authorization"],
            },
          }),
        },
        { what: "32 options", send: get("/public/x", `Connection: ${options(32)}`), expect: passedAnonymously() },
        {
          what: "33 options",
          send: get("/public/x", `Connection: ${options(33)}`),
          expect: malformed("header:connection"),
        },
        {
          what: "200 options",
          send: get("/public/x", `Connection: ${options(200)}`),
          expect: malformed("header:connection"),
        },
        {
          what: "40 options on two lines",
          send: get("/public/x", `Connection: ${options(20)}`, `Connection: ${options(20)}`),
          expect: malformed("header:connection"),
        },
      ];
    },
  },
  {
    id: "C12",
    class: "identity",
    name: "headers named like inherited properties are plain headers; `__proto__` falls to the stricter rule for underscores",
    cases: () => [
      {
        what: INHERITED.join(),
        send: requestHead(
          "GET",
          "/public/x",
          INHERITED.map((name) => `${name}: plain`),
        ),
        expect: passedAnonymously({
          upstream: { equals: Object.fromEntries(INHERITED.map((name) => [name.toLowerCase(), "plain"])) },
        }),
      },
      {
        what: "named in Connection",
        send: get("/public/x", "Connection: constructor, toString", "constructor: 1"),
        expect: passedAnonymously({ upstream: { absent: ["constructor"] } }),
      },
      { what: "__proto__", send: get("/public/x", "__proto__: 1"), expect: malformed("header:underscore") },
    ],
  },
];
