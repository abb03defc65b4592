/** Where clients are sent: never to the app's own address, which they could not reach; anywhere else the app likes. */
import { expect, test } from "vitest";
import { publicLocation } from "#data-plane/upstream/location.ts";

const at = (url: string, basePath = "") => ({ url: new URL(url), basePath });
const APP = at("http://app.internal:9000");
const BASED = at("http://app.internal:9000/base", "/base");

test.each([
  ["http://app.internal:9000/x?a=1#b", APP, "/x?a=1#b"],
  ["HTTP://App.Internal:9000/x", APP, "/x"],
  ["https://app.internal:9000/x", APP, "/x"],
  ["//app.internal:9000/x", APP, "/x"],
  ["http://user:secret@app.internal:9000/x", APP, "/x"],
  ["http://app.internal:9000", APP, "/"],
  ["http://app.internal:9000?a=1", APP, "/?a=1"],
  ["http://app.internal:9000#b", APP, "/#b"],
  ["http://app.internal/x", at("http://app.internal"), "/x"],
  ["http://app.internal:80/x", at("http://app.internal"), "/x"],
  ["https://app.internal:443/x", at("https://app.internal"), "/x"],
  ["http://[::1]:9000/x", at("http://[::1]:9000"), "/x"],
  ["http://app.internal:9000/base/x", BASED, "/x"],
  ["http://app.internal:9000/base", BASED, "/"],
  ["http://app.internal:9000/base?a=1", BASED, "/?a=1"],
  ["http://app.internal:9000/basement", BASED, "/basement"],
])("%s of the app itself becomes a path", (location, origin, path) => {
  expect(publicLocation(location, origin)).toBe(path);
});

test.each([
  ["http://app.internal:9000//evil.example/x", APP, "/.//evil.example/x"],
  ["http://app.internal:9000/\\evil.example", APP, "/./\\evil.example"],
  ["http://app.internal:9000/base//evil.example", BASED, "/.//evil.example"],
])("%s does not become another host's name", (location, origin, path) => {
  expect(publicLocation(location, origin)).toBe(path);
  expect(new URL(path, "https://public.example").host).toBe("public.example");
});

test.each([
  "/x",
  "x",
  "",
  "?a=1",
  "//evil",
  "http://other.example/x",
  "http://app.internal:9001/x",
  "http://app.internal/x",
  "http://app.internal:9000.evil.example/x",
  "http://app.internal:9000@evil.example/x",
  "ftp://app.internal:9000/x",
  "/back?to=http://app.internal:9000/x",
])("%s passes as it is", (location) => {
  expect(publicLocation(location, APP)).toBe(location);
});
