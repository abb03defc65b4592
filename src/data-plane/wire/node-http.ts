/**
 * What the data plane uses of `node:http`. An import of that module evaluates all its exports, WebSocket among them, for which Node loads
 * its own copy of undici: 60 ms of a thread's start and 11 MiB for as long as it lives. Types cost nothing and come from the module itself.
 */
import type http from "node:http";

// A part of node itself: never undefined.
const nodeHttp = process.getBuiltinModule("node:http") as typeof http;

export const { createServer, METHODS, ServerResponse, STATUS_CODES } = nodeHttp;
