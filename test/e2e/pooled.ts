/**
 * Checks over all suites of a run, a row each: of what suites left by `run.leave`, after the last of them. Suites are
 * processes of their own, so that what they leave is plain JSON, parsed here.
 */
import { pooledRights } from "./privileges.ts";
import { pooledShares } from "./pooled_shares.ts";

export interface PooledCheck {
  /** The kind that suites leave. */
  readonly kind: string;
  readonly name: string;
  /** Left to chance: where it fails, the suites it is about run once more, and it is asked of what they leave then. */
  readonly repeats?: boolean;
  /**
   * @param left what suites left, in no order
   * @param isWhole whether every suite has run
   * @returns a figure worth telling
   * @throws {Error} the check has failed
   */
  check(left: readonly unknown[], isWhole: boolean): string | void;
}

export const POOLED: readonly PooledCheck[] = [pooledShares, pooledRights];
