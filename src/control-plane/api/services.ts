/** What the endpoints work with. Main thread. */
import type { Logger } from "pino";
import type { Settings } from "#config/settings.ts";
import type { AccountBulk } from "#control-plane/bulk/account-bulk.ts";
import type { AccountLife } from "#control-plane/accounts/account-life.ts";
import type { AccountList } from "#control-plane/accounts/account-list.ts";
import type { RateClears } from "#control-plane/accounts/rate-clears.ts";
import type { AccountStats } from "#control-plane/accounts/account-stats.ts";
import type { Accounts } from "#control-plane/accounts/accounts.ts";
import type { ApiKeys } from "#control-plane/accounts/api-keys.ts";
import type { ForeignKeys } from "#control-plane/accounts/foreign-keys.ts";
import type { KeyImport } from "#control-plane/accounts/key-import.ts";
import type { KeyReveal } from "#control-plane/accounts/key-reveal.ts";
import type { UpstreamCredentials } from "#control-plane/accounts/upstream-credentials.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { LiveTables } from "#control-plane/fleet/live-tables.ts";
import type { IssuerKeySets } from "#control-plane/issuers/key-sets.ts";
import type { CreditGrants } from "#control-plane/credits/grants.ts";
import type { Resources } from "#control-plane/resources/resources.ts";
import type { ResourceShares } from "#control-plane/resources/resource-shares.ts";
import type { UsageParts } from "#control-plane/metering/account-usage.ts";
import type { Secrets } from "#control-plane/secrets/secrets.ts";
import type { Reservations } from "#control-plane/metering/reservations.ts";
import type { UsageEvents } from "#control-plane/metering/usage-events.ts";
import type { UserServices } from "#control-plane/users/user-services.ts";

export interface Services extends UserServices {
  /** The settings in force now. */
  readonly settings: () => Settings;
  /** Hears of refusals. */
  readonly log: Logger;
  readonly accounts: Accounts;
  readonly accountList: AccountList;
  readonly accountLife: AccountLife;
  readonly accountBulk: AccountBulk;
  readonly accountStats: AccountStats;
  readonly rateClears: RateClears;
  /** null: no gateway runs, only a command. */
  readonly live: LiveTables | null;
  readonly keys: ApiKeys;
  readonly keySets: IssuerKeySets;
  readonly usage: UsageParts;
  readonly events: UsageEvents;
  readonly reservations: Reservations;
  readonly grants: CreditGrants;
  readonly audit: AuditLog;
  readonly secrets: Secrets;
  readonly reveal: KeyReveal;
  readonly foreignKeys: ForeignKeys;
  readonly keyImport: KeyImport;
  readonly upstreamCredentials: UpstreamCredentials;
  readonly resources: Resources;
  readonly shares: ResourceShares;
}
