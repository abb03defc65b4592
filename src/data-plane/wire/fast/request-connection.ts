/** What a request of the fast lane needs of the connection it came on. Worker thread. */
import type { Socket } from "node:net";
import type { Peer } from "#data-plane/peer.ts";
import type { ClientLane } from "./client-lane.ts";
import type { ClientWatch } from "./client-watch.ts";

export interface RequestConnection {
  readonly lane: ClientLane;
  readonly socket: Socket;
  readonly peer: Peer;
  readonly watch: ClientWatch;
  /** Nothing is read from the client for now. */
  readonly isPaused: boolean;
  pause(): void;
  resume(): void;
  /** A request was refused for want of room: where time is short, the client is not read for a while; its answer still goes out. */
  overloaded(): void;
  /** What came along with the head is read now. */
  readHeld(): void;
  /** The request is over; another may come. */
  next(): void;
  /** Ends the connection behind what was written. */
  close(): void;
}
