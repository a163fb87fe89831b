/** Bare repositories on disk: made, given commits, and read, as a person with a clone would, but without a work tree. */
import { runGit } from "./git_process.ts";

/** Path to content; null deletes the file. */
export type Files = Readonly<Record<string, string | Uint8Array<ArrayBuffer> | null>>;

export interface CommitOptions {
  readonly message?: string;
  /** "main" by default. */
  readonly branch?: string;
  readonly author?: { readonly name: string; readonly email: string };
  /** Epoch milliseconds. */
  readonly timeMs: number;
}

const AUTHOR = { name: "Sandbox", email: "sandbox@example.com" };

/** Makes an empty bare repository with branch "main" to come. Making it twice does no harm. */
export async function initRepository(path: string): Promise<void> {
  await runGit(["init", "--quiet", "--bare", "--initial-branch=main", path]);
}

/** Whether there is a repository at this very path (and not merely in a folder above). */
export async function isRepository(path: string): Promise<boolean> {
  return await runGit(["--git-dir", path, "rev-parse", "--is-bare-repository"]).then(() => true, () => false);
}

/** Adds one commit on top of a branch (or starts it) and gives its id. */
export async function commitFiles(path: string, files: Files, options: CommitOptions): Promise<string> {
  const { branch = "main", message = "Change files", author = AUTHOR } = options;
  const parent = await branchTip(path, branch);
  const who = `${author.name} <${author.email}> ${Math.floor(options.timeMs / 1000)} +0000`;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const line = (text: string) => parts.push(new TextEncoder().encode(`${text}\n`));
  const block = (bytes: Uint8Array<ArrayBuffer>) => {
    line(`data ${bytes.byteLength}`);
    parts.push(bytes);
    line("");
  };
  line(`commit refs/heads/${branch}`);
  line(`author ${who}`);
  line(`committer ${who}`);
  block(new TextEncoder().encode(message));
  if (parent !== undefined) line(`from ${parent}`);
  for (const [file, content] of Object.entries(files)) {
    if (content === null) {
      line(`D ${quoted(file)}`);
      continue;
    }
    line(`M 100644 inline ${quoted(file)}`);
    block(typeof content === "string" ? new TextEncoder().encode(content) : content);
  }
  await runGit(["--git-dir", path, "fast-import", "--quiet"], new Uint8Array(await new Blob(parts).arrayBuffer()));
  const tip = await branchTip(path, branch);
  if (tip === undefined) throw new Error(`Cannot commit to ${path}: branch ${branch} does not exist afterwards`);
  return tip;
}

/** Id of a branch's newest commit; undefined when there is no such branch. */
export async function branchTip(path: string, branch: string): Promise<string | undefined> {
  const refs = await runGit(["--git-dir", path, "for-each-ref", "--format=%(objectname)", `refs/heads/${branch}`]);
  const [oid = ""] = new TextDecoder().decode(refs).split("\n");
  return oid === "" ? undefined : oid;
}

/** A file at a revision ("main", a commit id); undefined when it is not there. */
export async function readFile(path: string, file: string, revision = "main"): Promise<string | undefined> {
  const object = `${revision}:${file}`;
  return await runGit(["--git-dir", path, "cat-file", "blob", object]).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => undefined,
  );
}

/** As fast-import wants paths that may hold anything. */
function quoted(file: string): string {
  return `"${file.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}
