/** Files of the right shape whose meaning is wrong: every fault with its position. */
import { expect, test } from "vitest";
import { BASE, faultsOf, settingsOf } from "./faults-of.ts";

type Case = readonly [title: string, text: string, faults: readonly string[]];

const CASES: readonly Case[] = [
  [
    "two routes of one name",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
  - { name: all, upstream: app, match: { path: /other } }
`,
    ['8:13 Expected another name: the route "all" exists already'],
  ],
  [
    "an upstream that does not exist",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: apps
    match: { path: "/all/{id}" }
`,
    ['6:15 Unknown upstream "apps" (did you mean "app"?)'],
  ],
  [
    "a rate and a meter that do not exist",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    rates: [api, apy]
    meters: { cals: 1 }
rates: { api: { limit: 1, per: 1m } }
meters: { calls: {} }
`,
    ['8:18 Unknown rate "apy" (did you mean "api"?)', '9:15 Unknown meter "cals" (did you mean "calls"?)'],
  ],
  [
    "a meter where there are none",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    meters: { calls: 1 }
`,
    ['8:15 Unknown meter "calls" (there are no meters)'],
  ],
  [
    "a role that does not exist",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    require: { roles: [admin] }
roles: { Admin: [] }
`,
    ['8:24 Unknown role "admin" (did you mean "Admin"?)'],
  ],
  [
    "a feature of no plan",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    require: { features: [model] }
plans: { a: { default: true, features: [models] } }
`,
    ['8:27 No plan has the feature "model" (did you mean "models"?)'],
  ],
  [
    "names of Object.prototype",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    rates: [constructor]
    meters: { toString: 1 }
`,
    [
      '8:13 Unknown rate "constructor" (there are no rates)',
      '9:15 Expected a name of letters, digits, _ . and - that starts with a letter, at most 64 characters, got "toString"',
    ],
  ],
  [
    "a quota and a rate of a plan that do not exist",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
meters: { calls: {} }
rates: { api: { limit: 1, per: 1m } }
plans:
  a: { default: true, quotas: { call: { limit: 1, per: day } }, rates: { apii: { limit: 1 } } }
`,
    ['11:33 Unknown meter "call" (did you mean "calls"?)', '11:74 Unknown rate "apii" (did you mean "api"?)'],
  ],
  [
    "no default plan",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
meters: { calls: {} }
rates: { api: { limit: 1, per: 1m } }
plans:
  a: {}
  b: {}
`,
    ["10:1 Expected one default plan, got none (add default: true to the plan that new accounts get)"],
  ],
  [
    "two default plans",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
meters: { calls: {} }
rates: { api: { limit: 1, per: 1m } }
plans:
  a: { default: true }
  b: { default: true }
`,
    ['12:17 Expected one default plan, got "a" and another'],
  ],
  [
    "two issuers of one name and one claim",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
identity:
  issuers:
    - { name: a, issuer: x, jwks: "https://a.example/k", audiences: [b] }
    - { name: a, issuer: x, jwks: "https://a.example/k", audiences: [b] }
`,
    [
      '11:15 Expected another name: "a" is taken by an earlier issuer',
      '11:26 Expected another issuer: "x" is taken by an earlier issuer',
    ],
  ],
  [
    "an issuer without issuer and jwks",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
identity:
  issuers:
    - name: a
      audiences: [b]
`,
    ['10:7 Missing key "issuer" (add issuer: the exact iss claim of its tokens)'],
  ],
  [
    "two local issuers, one with keys",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
identity:
  issuers:
    - { name: a, preset: local, audiences: [b] }
    - { name: c, preset: local, issuer: other, jwks: "file:k", audiences: [b] }
`,
    ["11:26 Expected at most one local issuer", "11:48 Expected no jwks with preset: local (remove this key)"],
  ],
  [
    "a key set over plain http",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
identity:
  issuers:
    - { name: a, issuer: x, jwks: "http://a.example/k", audiences: [b] }
`,
    ["10:35 Expected https for a key set (http is accepted for localhost only)"],
  ],
  [
    "a key set with a password",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
identity:
  issuers:
    - { name: a, issuer: x, jwks: "https://u:p@a.example/k", audiences: [b] }
`,
    ["10:35 Expected a URL without user name and password"],
  ],
  [
    "a clock skew over five minutes",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
identity:
  issuers:
    - { name: a, issuer: x, jwks: "https://a.example/k", audiences: [b], clockSkew: 6m }
`,
    ["10:85 Expected at most 5m, got 6m"],
  ],
  [
    "a double slash",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a//b" }
`,
    ["7:20 Expected a path without empty segments (remove the double /)"],
  ],
  [
    "a trailing slash",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a/" }
`,
    ["7:20 Expected a path without empty segments (remove the last /)"],
  ],
  [
    "dot segments",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a/../b" }
`,
    ['7:20 Expected a path without dot segments, got ".."'],
  ],
  [
    "a dot segment",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/./b" }
`,
    ['7:20 Expected a path without dot segments, got "."'],
  ],
  [
    "a percent-encoding",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a%2fb" }
`,
    ['7:20 Expected no percent-encoding in a path, got "a%2fb" (write the character itself)'],
  ],
  [
    "a query",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a?b=c" }
`,
    ['7:20 Expected a path without query and fragment, got "a?b=c"'],
  ],
  [
    "a fragment",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a#b" }
`,
    ['7:20 Expected a path without query and fragment, got "a#b"'],
  ],
  [
    "a parameter that is a part of a segment",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a/x-{id}" }
`,
    ['7:20 Expected {name} as a whole segment, got "x-{id}" (a name has letters, digits and _)'],
  ],
  [
    "a parameter with a bad name",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a/{1d}" }
`,
    ['7:20 Expected {name} as a whole segment, got "{1d}" (a name has letters, digits and _)'],
  ],
  [
    "a parameter twice",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/{a}/{a}" }
`,
    ["7:20 Expected each path parameter once, got {a} again"],
  ],
  [
    "a single star",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a/*" }
`,
    ['7:20 Expected no * inside a segment, got "*" ({name} is one segment, a last ** the rest)'],
  ],
  [
    "a star inside a segment",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a/b*c" }
`,
    ['7:20 Expected no * inside a segment, got "b*c" ({name} is one segment, a last ** the rest)'],
  ],
  [
    "a tail that is not last",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a/**/b" }
`,
    ["7:20 Expected ** as the last segment only"],
  ],
  [
    "a character outside ASCII",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a/é" }
`,
    ['7:20 Expected only A-Z a-z 0-9 - . _ ~ ! $ & \' ( ) + , ; = : @ in a segment, got "é"'],
  ],
  [
    "a backslash",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/a\\\\b" }
`,
    ['7:20 Expected only A-Z a-z 0-9 - . _ ~ ! $ & \' ( ) + , ; = : @ in a segment, got "a\\\\b"'],
  ],
  [
    "an account of no parameter",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    require: { account: path.di, owner: path.id }
`,
    ['8:25 Unknown path parameter "di" (did you mean "id"?)'],
  ],
  [
    "an owner that only the gateway says, and things of one's own without what one may do with them",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    require: { owner: header.x-user-id, own: path.user }
  - name: other
    upstream: app
    match: { path: "/other/{id}" }
    require: { permissions: ["calls:read:own", "*:owned"], own: path.id, account: query.org, owner: header.x-org }
`,
    [
      '8:23 Expected a header of the client\'s own, got "x-user-id" (the gateway writes this one)',
      "8:41 Expected permissions beside own (it is for callers who have them with :own only)",
      '8:46 Unknown path parameter "user" (known parameters: id)',
      '12:30 Expected the permission without :own beside own, got "calls:read:own" (callers who have it with :own get in by own)',
      '12:48 Expected * alone or at the end after a colon, got "*:owned" (such as "models:*")',
    ],
  ],
  [
    "things whose owners cannot be learned, asked for or forgotten",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
resources:
  models: { id: "response.json:$.id" }
routes:
  - { name: create, upstream: app, match: { path: /models, methods: [POST] }, learns: model }
  - { name: open, upstream: app, match: { path: /open }, auth: none, learns: models }
  - name: model
    upstream: app
    match: { path: "/models/{id}" }
    require: { resource: { kind: agents, id: path.model } }
    forgets: models
  - { name: own, upstream: app, match: { path: /own }, require: { permissions: [x], own: resource } }
`,
    [
      '5:17 Expected a path without the leading $, got "$.id"',
      '7:87 Unknown resource "model" (did you mean "models"?)',
      "8:70 Expected no learns with auth: none (nobody is identified)",
      '12:34 Unknown resource "agents" (known resources: models)',
      '12:46 Unknown path parameter "model" (known parameters: id)',
      "13:14 Expected the kind of require.resource (it says which one is forgotten)",
      "14:90 Expected a resource beside own: resource (add resource: { kind, id })",
    ],
  ],
  [
    "two routes that match the same",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
  - { name: b, upstream: app, match: { path: "/all/{other}", methods: [POST] } }
`,
    ['8:46 The routes "all" and "b" match the same requests (differ in host, path or methods)'],
  ],
  [
    "HEAD beside GET",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
  - { name: b, upstream: app, match: { path: /b, methods: [GET] } }
  - { name: c, upstream: app, match: { path: /b, methods: [HEAD] } }
`,
    ['9:46 The routes "b" and "c" match the same requests (differ in host, path or methods)'],
  ],
  [
    "require and meters without identity",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    auth: none
    require: { scopes: [a] }
    meters: { calls: 1 }
meters: { calls: {} }
`,
    [
      "9:5 Expected no require with auth: none (nobody is identified)",
      "10:5 Expected no meters with auth: none (nobody can be charged)",
    ],
  ],
  [
    "a path under the prefix",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/_tollgate/x" }
`,
    ['7:20 Expected a path outside server.prefix, got "/_tollgate/x" (the gateway\'s own endpoints live there)'],
  ],
  [
    "the prefix",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/_tollgate" }
`,
    ['7:20 Expected a path outside server.prefix, got "/_tollgate" (the gateway\'s own endpoints live there)'],
  ],
  [
    "the prefix of the file",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server: { prefix: /all }
`,
    ['7:20 Expected a path outside server.prefix, got "/all/{id}" (the gateway\'s own endpoints live there)'],
  ],
  [
    "tokens without an issuer",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    schemes: [jwt]
`,
    ["8:14 Expected an issuer for schemes: [jwt], got none (add one under identity.issuers)"],
  ],
  [
    "proxies that are none",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  trustedProxies: [10.0.0.0/33, 300.1.1.1, "::1/129", proxy.local, 10.0.0.0/08, "fe80::1%eth0"]
`,
    [
      '9:20 Expected an IP address or a CIDR block, got "10.0.0.0/33" (such as 10.0.0.0/8 or ::1)',
      '9:33 Expected an IP address or a CIDR block, got "300.1.1.1" (such as 10.0.0.0/8 or ::1)',
      '9:44 Expected an IP address or a CIDR block, got "::1/129" (such as 10.0.0.0/8 or ::1)',
      '9:55 Expected an IP address or a CIDR block, got "proxy.local" (such as 10.0.0.0/8 or ::1)',
      '9:68 Expected an IP address or a CIDR block, got "10.0.0.0/08" (such as 10.0.0.0/8 or ::1)',
      '9:81 Expected an IP address or a CIDR block, got "fe80::1%eth0" (such as 10.0.0.0/8 or ::1)',
    ],
  ],
  [
    "a port beyond the last",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  listen: 127.0.0.1:65536
`,
    ["9:11 Expected a port of at most 65535, got 65536"],
  ],
  [
    "an address that is none",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  listen: 1.2.3:80
`,
    ['9:11 Expected an IP address or a host name, got "1.2.3"'],
  ],
  [
    "one address for both listeners",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  listen: :8081
`,
    ["9:11 Expected different addresses for listen and admin (choose another port)"],
  ],
  [
    "one address for both listeners, written",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  listen: localhost:9
  admin: "[::1]:9"
`,
    ["10:10 Expected different addresses for listen and admin (choose another port)"],
  ],
  [
    "a timeout longer than a timer",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  drainTimeout: 25d
`,
    ["9:17 Expected at most 1d, got 25d"],
  ],
  [
    "a size beyond counting",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  limits: { bodyBytes: 99999999999GiB }
`,
    ["9:24 Expected a smaller size"],
  ],
  [
    "a token of one character",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  adminToken: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
`,
    ["9:15 Expected a random admin token, got one that is easy to guess (make one with: openssl rand -hex 32)"],
  ],
  [
    "a token of default words",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  adminToken: change-me-tollgate-admin-secret-123
`,
    ["9:15 Expected a random admin token, got one that is easy to guess (make one with: openssl rand -hex 32)"],
  ],
  [
    "a token with a blank",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  adminToken: 8f14e45fceea167a 5a36dedd4bea2543
`,
    ["9:15 Expected printable ASCII without blanks in the admin token (make one with: openssl rand -hex 32)"],
  ],
  [
    "a link-local target",
    `version: 1
upstreams:
  app: { targets: [http://169.254.169.254/latest] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    [
      "3:20 Expected a target that is no link-local or metadata address, got 169.254.169.254 (allowUnsafeTargets: true if it is meant)",
    ],
  ],
  [
    "a link-local target as one number",
    `version: 1
upstreams:
  app: { targets: [http://2852039166] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    [
      "3:20 Expected a target that is no link-local or metadata address, got 169.254.169.254 (allowUnsafeTargets: true if it is meant)",
    ],
  ],
  [
    "a link-local target in hex",
    `version: 1
upstreams:
  app: { targets: [http://0xa9.0xfe.0xa9.0xfe] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    [
      "3:20 Expected a target that is no link-local or metadata address, got 169.254.169.254 (allowUnsafeTargets: true if it is meant)",
    ],
  ],
  [
    "a link-local target in IPv6 clothes",
    `version: 1
upstreams:
  app: { targets: ["http://[::ffff:169.254.169.254]"] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    [
      "3:20 Expected a target that is no link-local or metadata address, got ::ffff:a9fe:a9fe (allowUnsafeTargets: true if it is meant)",
    ],
  ],
  [
    "an IPv6 link-local target",
    `version: 1
upstreams:
  app: { targets: ["http://[fe80::1]"] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    [
      "3:20 Expected a target that is no link-local or metadata address, got fe80::1 (allowUnsafeTargets: true if it is meant)",
    ],
  ],
  [
    "a metadata name",
    `version: 1
upstreams:
  app: { targets: [http://Metadata.Google.Internal.] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    [
      "3:20 Expected a target that is no link-local or metadata address, got metadata.google.internal (allowUnsafeTargets: true if it is meant)",
    ],
  ],
  [
    "a target with a password",
    `version: 1
upstreams:
  app: { targets: [http://u:p@app] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:20 Expected a URL without user name and password"],
  ],
  [
    "a target with a query",
    `version: 1
upstreams:
  app: { targets: [http://app/?a=b] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:20 Expected a URL without query and fragment"],
  ],
  [
    "a target that is no URL",
    `version: 1
upstreams:
  app: { targets: [http://a b] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:20 Expected a URL that can be read (such as http://127.0.0.1:9000)"],
  ],
  [
    "the gateway's own address",
    `version: 1
upstreams:
  app: { targets: [http://localhost:8080] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:20 Expected another app, got the gateway's own address localhost:8080"],
  ],
  [
    "the gateway's own address in hex",
    `version: 1
upstreams:
  app: { targets: [http://0x7f.1:8081] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:20 Expected another app, got the gateway's own address 127.0.0.1:8081"],
  ],
  [
    "the gateway's own address by a wildcard",
    `version: 1
upstreams:
  app: { targets: [http://0.0.0.0:8080] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:20 Expected another app, got the gateway's own address 0.0.0.0:8080"],
  ],
  [
    "the gateway's own address in IPv6",
    `version: 1
upstreams:
  app: { targets: ["http://[::1]:8080"] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:20 Expected another app, got the gateway's own address ::1:8080"],
  ],
  [
    "a wildcard within a permission",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    require: { permissions: ["m*"] }
roles: { A: ["models*", "*:read", "a:*"] }
`,
    [
      '8:30 Expected * alone or at the end after a colon, got "m*" (such as "models:*")',
      '9:14 Expected * alone or at the end after a colon, got "models*" (such as "models:*")',
      '9:25 Expected * alone or at the end after a colon, got "*:read" (such as "models:*")',
    ],
  ],
  [
    "a burst beyond counting",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
rates: { api: { limit: 1, per: 366d, burst: 1000000000 } }
`,
    ["8:45 Expected a smaller burst: 1000000000 take more than 70 years to come back"],
  ],
  [
    "a period of a plan beyond counting",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
meters: { calls: {} }
rates: { api: { limit: 1, per: 1m } }
plans:
  a: { default: true, rates: { api: { limit: 1, per: 367d } } }
`,
    ["11:54 Expected at most 366d, got 367d"],
  ],
];

test.each(CASES)("refuses: %s", (_title, text, faults) => {
  expect(faultsOf(text)).toEqual(faults);
});

test("what looks close to wrong and is right is accepted", () => {
  const target = (url: string) => faultsOf(BASE.replace("http://127.0.0.1:9000", url));
  const meant = "{ allowUnsafeTargets: true, targets: [http://169.254.169.254] }";
  expect(faultsOf(BASE.replace("{ targets: [http://127.0.0.1:9000] }", meant))).toEqual([]);
  expect(target("http://169.253.0.1")).toEqual([]);
  expect(target("https://localhost")).toEqual([]);
  expect(faultsOf(`${BASE}server: { listen: "127.0.0.1:0", admin: "127.0.0.1:0" }\n`)).toEqual([]);
  expect(faultsOf(`${BASE}server: { trustedProxies: [10.0.0.0/8, "::1", "fd00::/8", 127.0.0.1] }\n`)).toEqual([]);
  expect(faultsOf(`${BASE}server: { adminToken: 8f14e45fceea167a5a36dedd4bea2543 }\n`)).toEqual([]);
  expect(faultsOf(`${BASE}roles: { A: ["*", "a:*", "a:b:*", "a"] }\n`)).toEqual([]);
});

test("templates of every kind are accepted", () => {
  const paths = [
    "/",
    "/**",
    "/a/**",
    "/{a}/b/{c_1}",
    "/a.b-c_d~e",
    "/v1/models/x:generate",
    "/_tollgates/x",
    "/a;b=c,d",
    "/@me/$metadata",
  ];
  expect(paths.filter((path) => faultsOf(BASE.replace("path: /all", `path: "${path}"`)).length > 0)).toEqual([]);
});

test("members' roles exist, and the account header is one of its own", () => {
  const identity = (text: string) => faultsOf(`${BASE}roles: { Owner: ["*"] }\nidentity:\n${text}`);
  expect(identity("  members: { firstRoles: [Owner, Boss], roles: [owner] }\n")).toEqual([
    expect.stringMatching(/^8:\d+ Unknown role "Boss"/),
    expect.stringMatching(/^8:\d+ Unknown role "owner" \(did you mean "Owner"\?\)/),
  ]);
  const issuer = "  issuers: [{ name: a, preset: local, audiences: [b], roleSource: members }]\n";
  expect(identity(`${issuer}  accountHeader: x-account\n`)).toEqual([]);
  for (const header of ["authorization", "x-api-key", "x-tollgate-account", "x-request-id"])
    expect(identity(`${issuer}  accountHeader: ${header}\n`)).toEqual([
      "9:18 Expected a header of its own that starts with x-, such as x-account",
    ]);
  expect(identity("  accountHeader: x-account\n")).toEqual([
    "8:3 Expected accountHeader with an issuer of roleSource: members only (remove this key)",
  ]);
});

test("a foreign key's length has its bounds in their order", () => {
  const keys = (length: string) => `${BASE}identity: { keys: { foreign: [{ prefix: sk_, length: ${length} }] } }\n`;
  expect(faultsOf(keys("{ min: 60, max: 20 }"))).toEqual(["6:70 Expected at least min, which is 60, got 20"]);
  for (const good of ["{ min: 20, max: 20 }", "{ min: 20, max: 60 }", "24"]) expect(faultsOf(keys(good))).toEqual([]);
});

test("routes that differ in host, method or a literal stand side by side", () => {
  const text = `${BASE}  - { name: b, upstream: app, match: { path: /all, host: a.example } }
  - { name: c, upstream: app, match: { path: /all, host: "*.example" } }
  - { name: d, upstream: app, match: { path: "/{x}", methods: [GET] } }
  - { name: e, upstream: app, match: { path: "/{y}", methods: [POST] } }
  - { name: f, upstream: app, match: { path: /** } }
`;
  expect(faultsOf(text)).toEqual([]);
});

test("a route without identity may be limited by address, and an optional one metered", () => {
  const text = `version: 1
rates: { ip: { limit: 5, per: 1m, by: ip } }
meters: { calls: {} }
upstreams: { app: { targets: [http://127.0.0.1:9000] } }
routes:
  - { name: a, upstream: app, auth: none, match: { path: /a }, rates: [ip], meters: { calls: 0 } }
  - { name: b, upstream: app, auth: optional, match: { path: /b }, meters: { calls: 1 } }
`;
  expect(faultsOf(text)).toEqual([]);
});

test("a key set over http is accepted on this machine only", () => {
  const issuer = (jwks: string) =>
    `${BASE}identity: { issuers: [{ name: a, issuer: x, audiences: [b], jwks: "${jwks}" }] }\n`;
  const refused = (hosts: readonly string[]) => hosts.filter((host) => faultsOf(issuer(`http://${host}/k`)).length > 0);
  expect(refused(["localhost:1", "127.0.0.1:1", "[::1]:1", "127.9.9.9"])).toEqual([]);
  const elsewhere = ["localhost.example", "10.0.0.1", "127.0.0.1.example"];
  expect(refused(elsewhere)).toEqual(elsewhere);
});

test("ten thousand routes load in seconds", () => {
  const routes = Array.from(
    { length: 10_000 },
    (_, index) => `  - { name: r${index}, upstream: app, match: { path: "/r${index}/{id}" } }\n`,
  );
  expect(settingsOf(BASE + routes.join("")).routes).toHaveLength(10_001);
}, 20_000);
