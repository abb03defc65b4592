/** How fine the lines of `tollgate usage` are; days are in UTC. */
export const USAGE_GRAINS = ["minute", "hour", "day"] as const;
export type UsageGrain = (typeof USAGE_GRAINS)[number];
