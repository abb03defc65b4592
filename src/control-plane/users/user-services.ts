/** Users and what belongs to them, as the control plane works with them. Main thread. */
import type { Settings } from "#config/settings.ts";
import type { Accounts } from "#control-plane/accounts/accounts.ts";
import type { LastSeen } from "#control-plane/accounts/last-seen.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { ImportParts } from "#control-plane/imports/import-run.ts";
import type { LocalIssuer } from "#control-plane/issuers/local-issuer.ts";
import type { Database } from "#control-plane/store/database.ts";
import { UserBulk } from "#control-plane/bulk/user-bulk.ts";
import { FirstSight } from "./first-sight.ts";
import { Impersonation } from "./impersonation.ts";
import { Invitations } from "./invitations.ts";
import { Members } from "./members.ts";
import { Sessions } from "./sessions.ts";
import { Users } from "./users.ts";

export interface UserServices {
  readonly users: Users;
  readonly userBulk: UserBulk;
  readonly firstSight: FirstSight;
  readonly members: Members;
  readonly invitations: Invitations;
  readonly sessions: Sessions;
  readonly impersonation: Impersonation;
  readonly imports: ImportParts;
}

export interface UserServicesParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
  readonly accounts: Accounts;
  readonly settings: () => Settings;
  readonly lastSeen: LastSeen;
  readonly pepper: Uint8Array;
  readonly localIssuer: LocalIssuer;
}

export function userServices(parts: UserServicesParts): UserServices {
  const { lastSeen } = parts;
  const members = new Members(parts);
  const { db, audit, announce } = parts;
  const sessions = new Sessions({ ...parts, settled: () => lastSeen.settled() });
  return {
    imports: { db, audit, announce },
    users: new Users(parts),
    userBulk: new UserBulk({ db, audit, announce, sessions }),
    firstSight: new FirstSight(parts),
    members,
    invitations: new Invitations({ ...parts, members }),
    impersonation: new Impersonation(parts.audit, parts.localIssuer),
    sessions,
  };
}
