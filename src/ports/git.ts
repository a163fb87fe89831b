/**
 * Git as the agent needs it: one branch of one remote, read as snapshots without a work tree, and written by
 * compare-and-swap pushes. Object ids are 40 lower-case hex digits (SHA-1).
 */

export type Oid = string;

export interface TreeEntry {
  /** Path from the repository's root, "/" between parts. */
  readonly path: string;
  readonly oid: Oid;
  /** As Git writes it: "100644", "100755", "120000" (link), "160000" (submodule). */
  readonly mode: string;
}

export interface CommitInfo {
  readonly oid: Oid;
  readonly tree: Oid;
  readonly parents: readonly Oid[];
  readonly author: { readonly name: string; readonly email: string; readonly timeMs: number };
  readonly message: string;
}

/** The files at one commit. Reading is local once the commit was fetched. */
export interface Snapshot {
  readonly commit: Oid;
  /** Files under a folder ("" for all), links and submodules left out, in path order. */
  files(under?: string): Promise<readonly TreeEntry[]>;
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Paths that differ from another snapshot; only differing subtrees are visited. */
  changed(since: Snapshot): Promise<readonly { readonly path: string; readonly was?: Oid; readonly is?: Oid }[]>;
  info(): Promise<CommitInfo>;
}

export interface FileEdit {
  readonly path: string;
  /** The whole new content; null deletes the file. */
  readonly content: Uint8Array<ArrayBuffer> | null;
}

export interface CommitDraft {
  readonly message: string;
  readonly author: { readonly name: string; readonly email: string };
  readonly timeMs: number;
  readonly edits: readonly FileEdit[];
}

/** What became of an offer. "there": a branch of that name exists, and was left as it is. */
export type OfferResult =
  | { readonly type: "made" }
  | { readonly type: "there" }
  | { readonly type: "refused"; readonly reason: string };

/** What a ref of our own is to hold: these files and nothing else, in one commit without parents. */
export interface AsideDraft extends Omit<CommitDraft, "edits"> {
  /** By path; at least one. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Whether it says enough to make the ref for it, where there is none. */
  readonly isNews: boolean;
}

/** A ref beside the branch that tells readers something and that nothing builds on. Never forced: a compare-and-swap. */
export interface AsideRef {
  /** Full name, outside "refs/heads/". */
  readonly ref: string;
  /** What it is to hold now; undefined while there is nothing new to say. Asked right before a push, so it never waits. */
  draft(): AsideDraft | undefined;
  /** It is on the server now. */
  landed(draft: AsideDraft): void;
}

/** What a push came to. "lost" = somebody else moved the branch: fetch and plan again. */
export type PushResult =
  | { readonly type: "pushed"; readonly commits: readonly Oid[] }
  | { readonly type: "unchanged" }
  | { readonly type: "lost"; readonly tip: Oid }
  | { readonly type: "refused"; readonly reason: string };

export interface GitRemote {
  readonly url: string;
  readonly branch: string;
  /**
   * The tip of the branch now: one small request when nothing moved.
   * @throws {UnavailableError} no answer, 5xx, a cut or lying answer; nothing of what was known is lost
   * @throws {RejectedError} wrong credentials, no such repository, or the branch does not exist
   */
  fetch(signal?: AbortSignal): Promise<Snapshot>;
  /** The last snapshot fetched, without a request. */
  readonly tip: Snapshot | undefined;
  /** An older commit by hash (fetched by hash, or by deepening where the server refuses that). */
  at(commit: Oid, signal?: AbortSignal): Promise<Snapshot | undefined>;
  /** Commits from the tip backwards, at most `max`, fetched (without trees) as needed. */
  log(max: number, signal?: AbortSignal): Promise<readonly CommitInfo[]>;
  /**
   * Commits the drafts one after the other on top of `base` and pushes them in one go, only if the branch is still at
   * `base`. A push whose answer was lost is looked up before this returns.
   * @throws {UnavailableError} it could not be found out whether the push landed
   */
  push(base: Snapshot, drafts: readonly CommitDraft[], signal?: AbortSignal): Promise<PushResult>;
  /**
   * Commits a draft on top of `base` as a new branch, for people to go on from. A branch that exists is never moved. Absent
   * where a remote offers nothing.
   * @throws {UnavailableError} no answer: it may be there or not
   */
  offer?(base: Snapshot, branch: string, draft: CommitDraft, signal?: AbortSignal): Promise<OfferResult>;
  /** Whether the credentials may push, by the receive-pack advertisement: undefined, or the reason why not. */
  cannotPush(signal?: AbortSignal): Promise<string | undefined>;
}
