/**
 * Reading commit objects. It takes what it can from commits that other tools wrote badly (no author, an impossible date),
 * because one odd commit in a history must not stop the agent; only a commit without a tree is refused.
 */
import { Buffer } from "node:buffer";
import type { CommitInfo, Oid } from "../../../src/ports/git.ts";
import type { GitObject } from "./objects.ts";
import { AnswerFault } from "./pkt_line.ts";

export interface ParsedCommit extends CommitInfo {
  /** Committer date, epoch milliseconds; orders a log. */
  readonly committedMs: number;
}

/** @throws {AnswerFault} "broken" when the object is no commit or names no tree */
export function parseCommit(oid: Oid, object: GitObject): ParsedCommit {
  const text = Buffer.from(object.bytes).toString("utf8");
  const end = text.indexOf("\n\n");
  const headers = (end < 0 ? text : text.slice(0, end)).split("\n");
  const tree = valuesOf(headers, "tree")[0];
  if (object.type !== "commit" || tree === undefined) {
    throw new AnswerFault("broken", `object ${oid} is no commit with a tree`);
  }
  const author = parsePerson(valuesOf(headers, "author")[0] ?? "");
  return {
    oid,
    tree,
    parents: valuesOf(headers, "parent"),
    author,
    message: end < 0 ? "" : text.slice(end + 2),
    committedMs: parsePerson(valuesOf(headers, "committer")[0] ?? "").timeMs,
  };
}

function valuesOf(headers: readonly string[], key: string): readonly string[] {
  return headers.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1));
}

function parsePerson(value: string): CommitInfo["author"] {
  const parts = /^(.*?) ?<(.*)>(?: (-?\d{1,12}))?/.exec(value);
  return { name: parts?.[1] ?? "", email: parts?.[2] ?? "", timeMs: Number(parts?.[3] ?? 0) * 1000 };
}
