/**
 * Makes commits from drafts and pushes them as one compare-and-swap. Whatever the server says but "ok" is settled by looking
 * where the branch is now, never by reading messages, since those differ between servers.
 */
import { RejectedError, UnavailableError } from "../../../src/errors.ts";
import type { CommitDraft, Oid, PushResult } from "../../../src/ports/git.ts";
import type { MadeAside } from "./aside.ts";
import type { Connection } from "./connection.ts";
import type { History } from "./history.ts";
import { commitTree } from "./object_model.ts";
import { Overlay } from "./overlay.ts";
import { writePack } from "./pack.ts";
import { AnswerFault } from "./pkt_line.ts";
import { isUpdated, type PushReport } from "./receive_pack.ts";
import type { StoredSnapshot } from "./snapshot.ts";
import { editTree } from "./tree_edit.ts";

/** Commits that nobody has seen yet, and what they need beyond their base. */
export interface MadeCommits {
  /** In the order of the drafts; a draft that changes nothing makes none. */
  readonly commits: readonly Oid[];
  readonly objects: Overlay;
}

/**
 * Commits drafts on top of a base, in memory.
 *
 * @throws {InvalidSpecError} when an edit's path cannot be written
 */
export async function makeCommits(
  base: StoredSnapshot,
  drafts: readonly CommitDraft[],
  sign?: (payload: Uint8Array<ArrayBuffer>) => Promise<string>,
): Promise<MadeCommits> {
  const objects = new Overlay(base.store);
  const commits: Oid[] = [];
  let parent = base.commit;
  let root = base.parsed().tree;
  for (const draft of drafts) {
    const tree = editTree(objects, root, draft.edits);
    if (tree === root) continue;
    parent = await commitTree(objects, draft, { tree, parents: [parent] }, sign);
    root = tree;
    commits.push(parent);
  }
  return { commits, objects };
}

export interface PushContext {
  readonly connection: Connection;
  readonly history: History;
  readonly base: StoredSnapshot;
  /**
   * Another ref that moves with the branch or not at all. Where the server cannot promise that it is left out; where it
   * stands in the way, the branch goes alone: a decision never fails because of it.
   */
  readonly beside?: Pick<MadeAside, "update" | "objects"> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What became of a push, and of the ref beside the branch. */
export interface Pushed {
  readonly result: PushResult;
  /** "unknown": it may have moved or not. */
  readonly beside: "landed" | "left-out" | "unknown";
}

/**
 * Pushes made commits, at least one.
 *
 * @returns "pushed" also when the answer was lost but the branch is at our commit or beyond it
 * @throws {UnavailableError} when nobody can say whether they landed
 * @throws {RejectedError} when the server refuses the request itself: credentials, no such repository
 */
export async function pushCommits(context: PushContext, made: MadeCommits): Promise<Pushed> {
  const { connection, beside, signal } = context;
  if (beside === undefined || !await connection.canPushAtomically(signal)) {
    return { result: await send(context, made, []), beside: "left-out" };
  }
  const result = await send(context, made, [beside]);
  if (result.type !== "refused") return { result, beside: result.type === "pushed" ? "landed" : "unknown" };
  return { result: await send(context, made, []), beside: "unknown" };
}

async function send(
  context: PushContext,
  made: MadeCommits,
  beside: readonly Pick<MadeAside, "update" | "objects">[],
): Promise<PushResult> {
  const { connection, base, signal } = context;
  const mine = made.commits.at(-1) ?? base.commit;
  const objects = [made.objects.fresh, ...beside.map((one) => one.objects)];
  const pack = writePack(new Map(objects.flatMap((some) => [...some])).values());
  let report: PushReport | undefined;
  let failure: unknown;
  try {
    const branch = { ref: connection.ref, from: base.commit, to: mine };
    report = await connection.send([branch, ...beside.map(({ update }) => update)], pack, signal);
    if (isUpdated(report, connection.ref)) return { type: "pushed", commits: made.commits };
  } catch (cause) {
    // A refusal by status is no answer of receive-pack: it ran nothing.
    if (cause instanceof RejectedError) throw cause;
    failure = cause;
  }
  const tip = await whereIsBranch(context, failure);
  if (tip === base.commit) {
    if (report !== undefined) return { type: "refused", reason: reasonOf(report, connection.ref) };
    throw new UnavailableError(
      `Cannot push to ${connection.label}: ${textOf(failure)}; the branch has not moved so far`,
      { fix: "Fetch before deciding again; nothing was overwritten.", cause: failure },
    );
  }
  const landed = await isBehind(context, tip, mine);
  return landed ? { type: "pushed", commits: made.commits } : { type: "lost", tip };
}

async function whereIsBranch(context: PushContext, failure: unknown): Promise<Oid> {
  try {
    return await context.connection.branchTip(context.signal);
  } catch (cause) {
    if (cause instanceof RejectedError) throw cause;
    throw unknownOutcome(context, failure ?? cause);
  }
}

async function isBehind(context: PushContext, tip: Oid, mine: Oid): Promise<boolean> {
  const { history, base, signal } = context;
  try {
    return await history.contains(tip, mine, { base: base.commit, local: base.store, signal });
  } catch (cause) {
    throw unknownOutcome(context, cause);
  }
}

function unknownOutcome(context: PushContext, cause: unknown): UnavailableError {
  return new UnavailableError(
    `Cannot find out whether a push to ${context.connection.label} landed: ${textOf(cause)}`,
    { fix: "Fetch before deciding again: the commits may be there.", cause },
  );
}

function reasonOf(report: PushReport, ref: string): string {
  const said = report.refs.get(ref) ?? "the server did not report on the branch";
  const unpack = report.unpack === "ok" ? "" : `the server could not read the objects: ${report.unpack}; `;
  const words = wordsOfHooks(report.messages);
  return `${unpack}${said}${words === "" ? "" : `: ${words}`}`;
}

/** What a hook printed as one line: forges put frames, empty lines and "error:" around it. */
function wordsOfHooks(messages: string): string {
  const lines = messages.split(/[\r\n]+/).map((line) => line.replace(/^\s*(remote|error|fatal):/i, "").trim());
  return lines.filter((line) => /\w/.test(line)).join("; ");
}

function textOf(cause: unknown): string {
  if (cause instanceof AnswerFault && cause.kind === "remote") {
    return `the server says ${JSON.stringify(cause.message)}`;
  }
  return cause instanceof Error ? cause.message : String(cause);
}
