/** What the watching world remembers of each canary, to know whether an invariant holds. */
import type { Shop, Traffic } from "./world.ts";

/** One rollout, as it was seen in the state. */
export interface RunRecord {
  readonly id: string;
  readonly revision: string;
  readonly image: string;
  /** Highest weight that was written. */
  granted: number;
  mirrored: boolean;
  /** Rounds of checks that were answered well since the last rise. */
  rounds: number;
  /** How often the gate of the next rise said yes since the last one. */
  openings: number;
  /** The run was seen analysed: its image ran in the target while metrics were good. */
  analysed: boolean;
  /** Kinds of announcements that were made about it. */
  readonly told: Set<string>;
  promotions: number;
}

export interface ShopRecord {
  readonly shop: Shop;
  traffic: Traffic;
  /** Since when no share and no mirror is on; null while one is. */
  zeroSince: number | null;
  /** Who wrote the route last. */
  routeBy: string;
  pods: readonly { readonly at: number; readonly target: number; readonly primary: number }[];
  readonly runs: Map<string, RunRecord>;
  /** Revisions that were a lock at a tip. */
  readonly committed: Set<string>;
  /** Revisions that were judged bad, until a person lifts that. */
  readonly failed: Set<string>;
  /** Pods were broken or objects changed by hand: what is ready is not the agent's doing. */
  troubled: boolean;
  /** Reasons for which a good release may be reverted. */
  readonly blame: Set<string>;
  strangeMs: number;
  /** How often a person had to put something right. */
  mended: number;
  /** Gates asked by a replica that does not lead. */
  askedByFollower: number;
}

export function newRecord(shop: Shop): ShopRecord {
  return {
    shop,
    traffic: { weight: 0, mirror: false, apex: "none" },
    zeroSince: null,
    routeBy: "",
    pods: [],
    runs: new Map(),
    committed: new Set(),
    failed: new Set(),
    troubled: false,
    blame: new Set(),
    strangeMs: 0,
    mended: 0,
    askedByFollower: 0,
  };
}
