/**
 * Checks over all suites of a run, a row each: of what suites left by `run.leave`, after the last of them. Suites are
 * processes of their own, so that what they leave is plain JSON, parsed here.
 */
import { pooledRights } from "./privileges.ts";
import { pooledShares } from "./pooled_shares.ts";
import type { PooledCheck } from "./suite.ts";

export const POOLED: readonly PooledCheck[] = [pooledShares, pooledRights];
