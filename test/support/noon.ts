/** A time zone in which no day ends while a test runs. */

/** IANA name of the zone whose clocks show between 11:30 and 12:30 now. */
export function noonZone(nowMs = Date.now()): string {
  const now = new Date(nowMs);
  const ahead = Math.round(12 - now.getUTCHours() - now.getUTCMinutes() / 60);
  // These names count the hours west of Greenwich.
  if (ahead === 0) return "Etc/GMT";
  return ahead > 0 ? `Etc/GMT-${ahead}` : `Etc/GMT+${-ahead}`;
}
