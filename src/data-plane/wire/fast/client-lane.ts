/** What a client's connection needs of its lane. Worker thread. */
import type { Socket } from "node:net";
import type { LimitSettings } from "#config/settings.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { LaneParts } from "./lane-parts.ts";

export interface ClientLane extends LaneParts {
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
