/** What the fast lane is given, and what a client's connection needs of it. Worker thread. */
import type { Socket } from "node:net";
import type { LimitSettings } from "#config/settings.ts";
import type { LaneParts } from "#data-plane/wire/lane-parts.ts";
import type { Turn } from "#data-plane/wire/turn.ts";
import type { ClientConnection } from "./client-connection.ts";

export interface FastLaneParts extends LaneParts {
  readonly turn: Turn;
}

export interface ClientLane extends FastLaneParts {
  /** Those in force now. */
  readonly limits: LimitSettings;
  /** Seconds an idle connection is kept, as answers say. */
  readonly idleSeconds: number;
  readonly isDraining: boolean;
  /** The connection is not this lane's any more. */
  closed(connection: ClientConnection): void;
  /** Gives a connection to the full lane, at the beginning of a request whose first bytes these are. */
  handOver(connection: ClientConnection, socket: Socket, bytes: Buffer): void;
}
