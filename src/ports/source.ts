/** What Git says, followed: one source is one branch of one repository. */
import type { CanaryId } from "../core/canary.ts";
import type { Catalogue } from "../core/catalogue.ts";
import type { Lock, StatusFile } from "../core/decision.ts";
import type { Snapshot } from "./git.ts";

/** A lock or status file at the tip: absent, read, or unreadable (a person broke it). */
export type FileView<T> =
  | { readonly type: "absent" }
  | { readonly type: "read"; readonly value: T }
  | { readonly type: "broken"; readonly reason: string };

export interface SourceView {
  /** "unknown": never fetched since the start. "stale": the last fetch failed; what follows is the last good one. */
  readonly state: "unknown" | "fresh" | "stale";
  /** Why the last fetch failed, or null. */
  readonly problem: string | null;
  readonly commit: string | null;
  readonly catalogue: Catalogue | null;
  readonly fetchedAt: number;
}

export interface Source {
  readonly name: string;
  readonly view: SourceView;
  /** The files of the commit that is shown, and which folders and files of them are watched; absent before the first fetch. */
  readonly watched?: { readonly snapshot: Snapshot; readonly roots: readonly string[] } | undefined;
  lock(id: CanaryId): FileView<Lock>;
  status(id: CanaryId): FileView<StatusFile>;
  /** Whether a canary is declared: "removed" only when the file it came from parsed and no longer has it. */
  presence(id: CanaryId): "declared" | "broken" | "removed" | "unknown";
  /** Fetches now (a webhook's hint, or after our own push). */
  poll(signal?: AbortSignal): Promise<void>;
  /** Calls back with the keys of canaries whose declaration, lock or status changed. */
  onChange(listener: (canaryKeys: readonly string[]) => void): void;
}
