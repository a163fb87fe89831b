/**
 * A Git server and its clients in memory, exact where it matters: commits with trees, one branch moved by
 * compare-and-swap, snapshots that see only what was fetched. Ids come from content and given times alone, so that a
 * run with the same inputs has the same ids. Faults are queued; no chance, no clock, no sleep.
 */
import { createHash } from "node:crypto";
import { BugError, RejectedError, UnavailableError } from "../../src/errors.ts";
import type {
  CommitDraft,
  CommitInfo,
  GitRemote,
  OfferResult,
  Oid,
  PushResult,
  Snapshot,
  TreeEntry,
} from "../../src/ports/git.ts";

/** What happens to one request, in the order they were queued. */
export type GitFault =
  /** No answer; nothing happened. */
  | { readonly on: "fetch" | "push" | "at" | "log"; readonly type: "unavailable"; readonly retryAfterMs?: number }
  | { readonly on: "fetch"; readonly type: "rejected"; readonly reason: string }
  /** The server's policy says no. */
  | { readonly on: "push"; readonly type: "refused"; readonly reason: string }
  /** The push lands, and nobody can find out. */
  | { readonly on: "push"; readonly type: "answer-lost" }
  /** A person does something at the server just before the request is served. */
  | { readonly on: "fetch" | "push"; readonly type: "before"; readonly act: () => void };

export interface PersonsCommit {
  /** New content by path; null deletes. Text or bytes. */
  readonly files: Readonly<Record<string, string | Uint8Array<ArrayBuffer> | null>>;
  /** Paths of `files` that are links. */
  readonly links?: readonly string[];
  readonly message?: string;
  readonly author?: string;
  readonly timeMs?: number;
}

interface Blob {
  readonly oid: Oid;
  readonly mode: string;
  readonly content: Uint8Array<ArrayBuffer>;
}

interface Commit {
  readonly info: CommitInfo;
  readonly files: ReadonlyMap<string, Blob>;
}

const START_MS = 1_767_225_600_000;

/** The server, and everything a test wants to do or see there. */
export class MemoryGit {
  readonly branch: string;
  #commits = new Map<Oid, Commit>();
  #head: Oid | null = null;
  #faults: GitFault[] = [];
  #forgotten = new Set<Oid>();
  readonly #offered = new Map<string, Oid>();
  #pushes = 0;

  constructor(files: PersonsCommit["files"], branch = "main") {
    this.branch = branch;
    this.commit({ files, message: "Start\n" });
  }

  /** A person's commit on top of the branch. */
  commit({ files, links = [], message = "Change\n", author = "Ada", timeMs }: PersonsCommit): Oid {
    const edits = Object.entries(files).map(([path, content]) => ({
      path,
      content: typeof content === "string" ? new TextEncoder().encode(content) : content,
    }));
    const parent = this.#head === null ? null : this.#commitOf(this.#head);
    const draft = {
      message,
      author: { name: author, email: `${author.toLowerCase()}@example.com` },
      timeMs: timeMs ?? (parent?.info.author.timeMs ?? START_MS) + 1000,
      edits,
    };
    this.#head = this.#write(parent, draft, links);
    return this.#head;
  }

  /** Moves the branch, also backwards, as a forced push does; null deletes it. */
  reset(to: Oid | null): void {
    this.#head = to;
  }

  /** A commit that `at` no longer finds, as after a garbage collection. */
  forget(commit: Oid): void {
    this.#forgotten.add(commit);
  }

  fault(...faults: readonly GitFault[]): void {
    this.#faults.push(...faults);
  }

  get head(): Oid {
    if (this.#head === null) throw new Error("Cannot read the head: the branch does not exist");
    return this.#head;
  }

  /** Pushes that were asked for, whatever they came to. */
  get pushes(): number {
    return this.#pushes;
  }

  /** The text of a file, at the head unless told otherwise. */
  text(path: string, commit: Oid = this.head): string | undefined {
    const blob = this.#commitOf(commit).files.get(path);
    return blob === undefined ? undefined : new TextDecoder("utf-8", { ignoreBOM: true }).decode(blob.content);
  }

  /** All paths at the head. */
  paths(): readonly string[] {
    return [...this.#commitOf(this.head).files.keys()].sort();
  }

  /** Commits backwards, from the head unless told otherwise. */
  log(max = 100, from: Oid = this.head): readonly CommitInfo[] {
    const found: CommitInfo[] = [];
    for (let oid: Oid | undefined = from; oid !== undefined && found.length < max;) {
      const { info } = this.#commitOf(oid);
      found.push(info);
      oid = info.parents[0];
    }
    return found;
  }

  /** A client with nothing fetched yet. */
  connect(): GitRemote {
    return new MemoryRemote(this.branch, {
      serve: (on) => this.#serve(on),
      head: () => this.#head,
      commitOf: (oid) => this.#commitOf(oid),
      find: (oid) => this.#forgotten.has(oid) ? undefined : this.#commits.get(oid),
      log: (from, max) => this.log(max, from),
      push: (base, drafts) => this.#push(base, drafts),
      offer: (base, branch, draft) => this.#offer(base, branch, draft),
    });
  }

  /** The tip of a branch that was offered. */
  offered(branch: string): Oid | undefined {
    return this.#offered.get(branch);
  }

  #offer(base: Oid, branch: string, draft: CommitDraft): OfferResult {
    const fault = this.#serve("push");
    if (fault?.type === "refused") return { type: "refused", reason: fault.reason };
    if (this.#offered.has(branch)) return { type: "there" };
    this.#offered.set(branch, this.#write(this.#commitOf(base), draft, []));
    return { type: "made" };
  }

  #serve(on: GitFault["on"]): GitFault | undefined {
    const index = this.#faults.findIndex((fault) => fault.on === on);
    const fault = index < 0 ? undefined : this.#faults.splice(index, 1)[0];
    if (fault?.type === "before") fault.act();
    if (fault?.type === "unavailable") {
      const wish = fault.retryAfterMs === undefined ? {} : { retryAfterMs: fault.retryAfterMs };
      throw new UnavailableError(`Cannot ${on}: no answer`, wish);
    }
    if (fault?.type === "rejected") throw new RejectedError(`Cannot ${on}: ${fault.reason}`);
    return fault;
  }

  #push(base: Oid, drafts: readonly CommitDraft[]): PushResult {
    this.#pushes++;
    const fault = this.#serve("push");
    if (fault?.type === "refused") return { type: "refused", reason: fault.reason };
    if (this.#head === null) throw new RejectedError("Cannot push: the branch does not exist");
    if (this.#head !== base) return { type: "lost", tip: this.#head };
    const commits: Oid[] = [];
    let parent = this.#commitOf(base);
    for (const draft of drafts) {
      const oid = this.#write(parent, draft, []);
      parent = this.#commitOf(oid);
      commits.push(oid);
    }
    if (commits.length === 0) return { type: "unchanged" };
    this.#head = parent.info.oid;
    if (fault?.type === "answer-lost") throw new UnavailableError("Cannot tell whether the push landed: no answer");
    return { type: "pushed", commits };
  }

  #commitOf(oid: Oid): Commit {
    const commit = this.#commits.get(oid);
    if (commit === undefined) throw new BugError(`Cannot find commit ${oid}: it was never made`);
    return commit;
  }

  #write(parent: Commit | null, draft: CommitDraft, links: readonly string[]): Oid {
    const files = new Map(parent?.files ?? []);
    for (const { path, content } of draft.edits) {
      if (path.startsWith("/") || path.split("/").includes("..")) {
        throw new BugError(`Cannot write "${path}": no such path`);
      }
      if (content === null) files.delete(path);
      else files.set(path, { oid: gitId("blob", content), mode: links.includes(path) ? "120000" : "100644", content });
    }
    const tree = sha1([...files].map(([path, { oid, mode }]) => `${mode} ${oid} ${path}\n`).sort().join(""));
    const { message, author, timeMs } = draft;
    const parents = parent === null ? [] : [parent.info.oid];
    const oid = sha1(JSON.stringify({ tree, parents, author, timeMs, message }));
    this.#commits.set(oid, { info: { oid, tree, parents, author: { ...author, timeMs }, message }, files });
    return oid;
  }
}

interface Server {
  readonly serve: (on: GitFault["on"]) => GitFault | undefined;
  readonly head: () => Oid | null;
  readonly commitOf: (oid: Oid) => Commit;
  readonly find: (oid: Oid) => Commit | undefined;
  readonly log: (from: Oid, max: number) => readonly CommitInfo[];
  readonly push: (base: Oid, drafts: readonly CommitDraft[]) => PushResult;
  readonly offer: (base: Oid, branch: string, draft: CommitDraft) => OfferResult;
}

class MemoryRemote implements GitRemote {
  readonly url = "memory:";
  readonly branch: string;
  readonly #server: Server;
  #tip: MemorySnapshot | undefined;

  constructor(branch: string, server: Server) {
    this.branch = branch;
    this.#server = server;
  }

  get tip(): Snapshot | undefined {
    return this.#tip;
  }

  async fetch(signal?: AbortSignal): Promise<Snapshot> {
    await this.#turn(signal);
    this.#server.serve("fetch");
    const head = this.#server.head();
    if (head === null) throw new RejectedError(`Cannot fetch: the branch "${this.branch}" does not exist`);
    if (this.#tip?.commit !== head) this.#tip = new MemorySnapshot(this.#server.commitOf(head));
    return this.#tip;
  }

  async at(commit: Oid, signal?: AbortSignal): Promise<Snapshot | undefined> {
    await this.#turn(signal);
    this.#server.serve("at");
    const found = this.#server.find(commit);
    return found === undefined ? undefined : new MemorySnapshot(found);
  }

  async log(max: number, signal?: AbortSignal): Promise<readonly CommitInfo[]> {
    await this.#turn(signal);
    this.#server.serve("log");
    return this.#tip === undefined ? [] : this.#server.log(this.#tip.commit, max);
  }

  async push(base: Snapshot, drafts: readonly CommitDraft[], signal?: AbortSignal): Promise<PushResult> {
    await this.#turn(signal);
    return this.#server.push(base.commit, drafts);
  }

  async offer(base: Snapshot, branch: string, draft: CommitDraft, signal?: AbortSignal): Promise<OfferResult> {
    await this.#turn(signal);
    return this.#server.offer(base.commit, branch, draft);
  }

  async cannotPush(signal?: AbortSignal): Promise<string | undefined> {
    await this.#turn(signal);
    return undefined;
  }

  /** Every request gives other code a turn, as a real one would. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    await Promise.resolve();
    signal?.throwIfAborted();
  }
}

class MemorySnapshot implements Snapshot {
  readonly commit: Oid;
  readonly #of: Commit;

  constructor(of: Commit) {
    this.commit = of.info.oid;
    this.#of = of;
  }

  async files(under = ""): Promise<readonly TreeEntry[]> {
    await Promise.resolve();
    const prefix = under === "" ? "" : `${under.replace(/\/$/, "")}/`;
    return [...this.#of.files]
      .filter(([path, { mode }]) => path.startsWith(prefix) && mode.startsWith("100"))
      .map(([path, { oid, mode }]) => ({ path, oid, mode }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    await Promise.resolve();
    return this.#of.files.get(path)?.content.slice();
  }

  async changed(since: Snapshot): Promise<readonly { readonly path: string; readonly was?: Oid; readonly is?: Oid }[]> {
    const before = new Map((await since.files()).map(({ path, oid }) => [path, oid]));
    const after = new Map((await this.files()).map(({ path, oid }) => [path, oid]));
    const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
    return paths.flatMap((path) => {
      const [was, is] = [before.get(path), after.get(path)];
      if (was === is) return [];
      return [{ path, ...(was === undefined ? {} : { was }), ...(is === undefined ? {} : { is }) }];
    });
  }

  async info(): Promise<CommitInfo> {
    await Promise.resolve();
    return this.#of.info;
  }
}

function sha1(text: string): Oid {
  return createHash("sha1").update(text, "utf8").digest("hex");
}

function gitId(type: string, content: Uint8Array): Oid {
  return createHash("sha1").update(`${type} ${content.length}\0`).update(content).digest("hex");
}
