/** The files that `serin plan` looks at: those of a working tree as they lie there, or those of a commit, by local git. */
import { isManifestPath } from "../spec/parse_file.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";
import { filesUnder, readOrFail } from "./manifest_files.ts";

const NOT_WHOLE = "Where the clone was made with a filter, fetch what it lacks first: git fetch --refetch --no-filter.";

/** Manifests and files of the ledger, by path from the repository's root. */
export interface PlanTree {
  /** null: a working tree. */
  readonly commit: string | null;
  readonly paths: readonly string[];
  /** @throws {CliFailure} */
  readonly read: (path: string) => Promise<Uint8Array>;
}

export function isLedgerPath(path: string): boolean {
  return path.startsWith(".serin/");
}

function isWanted(path: string): boolean {
  return isManifestPath(path) || isLedgerPath(path);
}

/**
 * Everything in the folder, committed or not, ignored by git or not.
 *
 * @throws {CliFailure} status 2: it is not the root of a repository
 */
export async function workingTree(root: string, io: CliIo): Promise<PlanTree> {
  const top = await io.readDirectory(root).catch(() => []);
  if (!top.some(({ name }) => name === ".git" || name === ".serin")) {
    const fix = "Name the root of a clone: locks lie in its folder .serin.";
    throw new CliFailure(EXIT.usage, `"${root}" is not the root of a repository`, fix);
  }
  const prefix = root === "." ? "" : `${root.replace(/\/+$/, "")}/`;
  const paths = (await filesUnder(root, io, (path) => isWanted(path.slice(prefix.length))))
    .map((path) => path.slice(prefix.length));
  return { commit: null, paths, read: (path) => readOrFail(`${prefix}${path}`, io, isLedgerPath(path)) };
}

/**
 * A commit of the clone in a folder; nothing is checked out, and nothing fetched.
 *
 * @param revision a hash, a tag, "HEAD~2"; @throws {CliFailure} status 2: there is no such commit, or no git
 */
export async function commitTree(root: string, revision: string, io: CliIo): Promise<PlanTree> {
  if (revision.startsWith("-")) throw new CliFailure(EXIT.usage, `"${revision}" is no revision`);
  const text = async (args: readonly string[]) => new TextDecoder().decode(await io.git(root, args));
  const commit = (await text(["rev-parse", "--verify", "--quiet", `${revision}^{commit}`]).catch(noSuch(revision)))
    .trim();
  const oids = new Map<string, string>();
  const listed = await text(["ls-tree", "-r", "-z", "--full-tree", commit]).catch(cannotRead(commit));
  for (const line of listed.split("\0")) {
    const [, mode, oid, path] = /^(\d+) blob ([0-9a-f]+)\t([^]+)$/.exec(line) ?? [];
    const isFile = mode === "100644" || mode === "100755";
    if (isFile && oid !== undefined && path !== undefined && isWanted(path)) oids.set(path, oid);
  }
  const blobs = await readBlobs(root, [...new Set(oids.values())], io).catch(cannotRead(commit));
  return {
    commit,
    paths: [...oids.keys()].sort(),
    read(path) {
      const bytes = blobs.get(oids.get(path) ?? "");
      if (bytes !== undefined) return Promise.resolve(bytes);
      return Promise.reject(new CliFailure(EXIT.usage, `Cannot read "${path}" of commit ${commit}`, NOT_WHOLE));
    },
  };
}

/** The commit of a branch: the local one, else that of origin. @throws {CliFailure} status 2 */
export async function branchCommit(root: string, branch: string, io: CliIo): Promise<string> {
  for (const ref of [`refs/heads/${branch}`, `refs/remotes/origin/${branch}`]) {
    const found = await io.git(root, ["rev-parse", "--verify", "--quiet", `${ref}^{commit}`]).catch(missingIsNull);
    if (found !== null) return new TextDecoder().decode(found).trim();
  }
  throw new CliFailure(EXIT.usage, `There is no branch "${branch}" here, nor on origin`, "See git branch --all.");
}

function missingIsNull(error: unknown): null {
  if (error instanceof CliFailure) throw error;
  return null;
}

function noSuch(revision: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof CliFailure) throw error;
    throw new CliFailure(EXIT.usage, `There is no commit "${revision}" here`, "See git log, or fetch it first.");
  };
}

/** git may not fetch what a partial clone lacks. */
function cannotRead(commit: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof CliFailure) throw error;
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new CliFailure(EXIT.usage, `Cannot read commit ${commit}: ${why}`, NOT_WHOLE);
  };
}

/** Those that are there; each header of the answer is "<id> blob <size>", or "<id> missing". */
async function readBlobs(root: string, oids: readonly string[], io: CliIo): Promise<ReadonlyMap<string, Uint8Array>> {
  const blobs = new Map<string, Uint8Array>();
  if (oids.length === 0) return blobs;
  const answer = await io.git(root, ["cat-file", "--batch"], oids.map((oid) => `${oid}\n`).join(""));
  for (let at = 0; at < answer.length;) {
    const end = answer.indexOf(10, at);
    if (end === -1) break;
    const [oid = "", type, size] = new TextDecoder().decode(answer.subarray(at, end)).split(" ");
    at = end + 1;
    if (type !== "blob") continue;
    const bytes = Number(size);
    blobs.set(oid, answer.subarray(at, at + bytes));
    at += bytes + 1;
  }
  return blobs;
}
