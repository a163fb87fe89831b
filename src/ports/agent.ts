/** The agent as its HTTP server, page and command line see it. */
import type { CanaryId } from "../core/canary.ts";
import type { Command } from "../core/command.ts";
import type { Complaint } from "../core/catalogue.ts";
import type { Evidence, Gate } from "../core/decision.ts";
import type { Phase } from "../core/state.ts";

/** One line of the list. Times are epoch milliseconds. */
export interface CanarySummary {
  readonly namespace: string;
  readonly name: string;
  readonly phase: Phase;
  /** As Flagger calls it. */
  readonly flaggerPhase: string;
  readonly provider: string;
  readonly target: string;
  readonly weight: number;
  readonly iterations: number;
  readonly failedChecks: number;
  readonly threshold: number;
  /** Revision on its way, or null. */
  readonly candidate: string | null;
  readonly candidateImages: readonly string[];
  /** Revision users are on, or null before the first lock. */
  readonly lock: string | null;
  readonly lockImages: readonly string[];
  readonly waitsFor: string | null;
  /** The gate it waits at, which an approval for `candidate` opens. */
  readonly gate: Gate | null;
  readonly stalled: string | null;
  readonly paused: { readonly by: string; readonly at: number; readonly reason: string } | null;
  readonly phaseSince: number;
  readonly last: {
    readonly outcome: string;
    readonly revision: string;
    readonly reason: string;
    readonly at: number;
  } | null;
}

export interface CanaryDetail extends CanarySummary {
  readonly strategy: string;
  readonly evidence: readonly Evidence[];
  readonly approvals: readonly {
    readonly gate: Gate;
    readonly by: string;
    readonly verdict: string;
    readonly reason: string;
    readonly at: number;
  }[];
  readonly complaints: readonly Complaint[];
  readonly events: readonly {
    readonly at: number;
    readonly kind: string;
    readonly severity: string;
    readonly message: string;
  }[];
  readonly source: { readonly name: string; readonly file: string; readonly commit: string | null };
}

export type CommandAnswer =
  | { readonly type: "done"; readonly message: string }
  /** 409: it does not apply now, and why. */
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "unknown-canary" }
  /** 503: this replica does not lead; `leader` is its identity where known. */
  | { readonly type: "not-leader"; readonly leader: string | null };

export interface SourceSummary {
  readonly name: string;
  readonly url: string;
  readonly branch: string;
  readonly state: "unknown" | "fresh" | "stale";
  readonly problem: string | null;
  readonly commit: string | null;
  readonly fetchedAt: number;
}

export interface Agent {
  canaries(): readonly CanarySummary[];
  canary(id: CanaryId): CanaryDetail | undefined;
  sources(): readonly SourceSummary[];
  complaints(): readonly Complaint[];
  /** Resolves when the command is persisted, or refused. */
  command(id: CanaryId, command: Command): Promise<CommandAnswer>;
  /** A person confirms that canaries which went from Git at once are really gone. */
  confirmRemoval(by: string): Promise<CommandAnswer>;
  /** A webhook says that a source moved: fetch soon. */
  hint(source: string): boolean;
  /** Ready: leading or standing by, caches in sync, every source fetched once. */
  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] };
  readonly leading: boolean;
}
